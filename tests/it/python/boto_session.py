"""Everyday work of an unmodified boto3 with every service of the cloud at AWS_ENDPOINT_URL; leaves nothing behind.

Each check is an assertion; the last line says how many calls were answered.
"""

import base64
import io
import json
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CALLS = []
CONFIG = Config(retries={"max_attempts": 1, "mode": "standard"}, parameter_validation=False)
SESSION = boto3.Session()
SESSION.events.register("after-call.*.*", lambda model, **_: CALLS.append(model.name))
BOOTSTRAP = """#!/usr/bin/env python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as got:
        event, call = json.loads(got.read()), got.headers["Lambda-Runtime-Aws-Request-Id"]
    print("the event has", len(event), "keys", flush=True)
    if event.get("fail"):
        path, answer = "/error", {"errorType": "Refused", "errorMessage": "as asked"}
    else:
        path, answer = "/response", {"echo": event, "mood": os.environ["MOOD"]}
    urllib.request.urlopen(urllib.request.Request(api + call + path, json.dumps(answer).encode())).read()
"""


def client(service, **more):
    return SESSION.client(service, config=CONFIG, **more)


def refused(code, status, call, **arguments):
    """The call is refused with this code and HTTP status; gives the message."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert found == (code, status), f"wanted {code} {status}, got {found}: {error}"
        return error.response["Error"].get("Message", "")
    raise AssertionError(f"wanted {code} {status}, got {answer}")


def same(found, wanted):
    assert found == wanted, f"wanted {wanted!r}, got {found!r}"


def until(what, ask):
    """Asks until the answer is true, for a minute at most."""
    end = time.monotonic() + 60
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited a minute for {what}"
        time.sleep(0.02)


def zipped(text, mode=0o755):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16
        archive.writestr(entry, text)
    return out.getvalue()


def sts():
    identity = client("sts").get_caller_identity()
    same(identity["Account"], "000000000000")
    same(identity["Arn"], "arn:aws:iam::000000000000:user/local")


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
INLINE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}


def iam():
    iam = client("iam")
    role = iam.create_role(
        RoleName="worker", Path="/tools/", AssumeRolePolicyDocument=json.dumps(TRUST), Tags=[{"Key": "a", "Value": "b"}]
    )["Role"]
    same(role["Arn"], "arn:aws:iam::000000000000:role/tools/worker")
    refused(
        "EntityAlreadyExists", 409, iam.create_role, RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    iam.put_role_policy(RoleName="worker", PolicyName="logs", PolicyDocument=json.dumps(INLINE))
    same(iam.get_role_policy(RoleName="worker", PolicyName="logs")["PolicyDocument"], INLINE)
    same(iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"], TRUST)
    same(iam.list_role_policies(RoleName="worker")["PolicyNames"], ["logs"])
    same(iam.list_role_tags(RoleName="worker")["Tags"], [{"Key": "a", "Value": "b"}])
    pages = iam.get_paginator("list_roles").paginate(PathPrefix="/tools/")
    same([role["RoleName"] for page in pages for role in page["Roles"]], ["worker"])
    refused(
        "MalformedPolicyDocument", 400, iam.put_role_policy, RoleName="worker", PolicyName="x", PolicyDocument="{]"
    )
    refused("DeleteConflict", 409, iam.delete_role, RoleName="worker")
    return role["Arn"]


def iam_ends():
    iam = client("iam")
    iam.delete_role_policy(RoleName="worker", PolicyName="logs")
    iam.delete_role(RoleName="worker")
    refused("NoSuchEntity", 404, iam.get_role, RoleName="worker")


def functions(role):
    functions = client("lambda")
    code = zipped(BOOTSTRAP)
    wanted = dict(
        FunctionName="echo",
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=role,
        Code={"ZipFile": code},
        Environment={"Variables": {"MOOD": "calm"}},
        Timeout=20,
    )
    functions.create_function(**wanted)
    functions.get_waiter("function_active_v2").wait(FunctionName="echo")
    refused("ResourceConflictException", 409, functions.create_function, **wanted)
    refused("ResourceNotFoundException", 404, functions.get_function, FunctionName="none")
    refused(
        "InvalidParameterValueException",
        400,
        functions.update_function_configuration,
        FunctionName="echo",
        Environment={"Variables": {"BIG": "x" * 4096}},
    )
    functions.update_function_configuration(FunctionName="echo", Environment={"Variables": {"MOOD": "merry"}})
    functions.get_waiter("function_updated_v2").wait(FunctionName="echo")
    same(functions.publish_version(FunctionName="echo")["Version"], "1")
    same(functions.publish_version(FunctionName="echo")["Version"], "1")
    functions.get_waiter("published_version_active").wait(FunctionName="echo", Qualifier="1")
    alias = functions.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    same(alias["AliasArn"], "arn:aws:lambda:us-east-1:000000000000:function:echo:live")
    refused(
        "ResourceConflictException",
        409,
        functions.create_alias,
        FunctionName="echo",
        Name="live",
        FunctionVersion="1",
    )
    allow = dict(
        FunctionName="echo",
        Qualifier="live",
        StatementId="gateway",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn="arn:aws:execute-api:us-east-1:000000000000:abc/*",
    )
    statement = json.loads(functions.add_permission(**allow)["Statement"])
    same(statement["Resource"], alias["AliasArn"])
    refused("ResourceConflictException", 409, functions.add_permission, **allow)
    refused("ResourceNotFoundException", 404, functions.get_policy, FunctionName="echo")
    policy = json.loads(functions.get_policy(FunctionName="echo", Qualifier="live")["Policy"])
    same([one["Sid"] for one in policy["Statement"]], ["gateway"])

    answer = functions.invoke(FunctionName="echo", Qualifier="live", LogType="Tail", Payload=b'{"n": 1}')
    same(json.load(answer["Payload"]), {"echo": {"n": 1}, "mood": "merry"})
    same((answer["StatusCode"], answer["ExecutedVersion"]), (200, "1"))
    assert "FunctionError" not in answer
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "START RequestId" in tail and "the event has 1 keys\n" in tail and "REPORT RequestId" in tail, tail
    failed = functions.invoke(FunctionName="echo", Payload=b'{"fail": true}')
    same(failed["FunctionError"], "Unhandled")
    same(json.load(failed["Payload"]), {"errorType": "Refused", "errorMessage": "as asked"})
    refused("InvalidRequestContentException", 400, functions.invoke, FunctionName="echo", Payload=b"{]")
    refused("ResourceNotFoundException", 404, functions.invoke, FunctionName="echo", Qualifier="dead")

    functions.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    same(functions.get_function_concurrency(FunctionName="echo")["ReservedConcurrentExecutions"], 0)
    refused("TooManyRequestsException", 429, functions.invoke, FunctionName="echo", Payload=b"{}")
    refused(
        "InvalidParameterValueException",
        400,
        functions.put_function_concurrency,
        FunctionName="echo",
        ReservedConcurrentExecutions=1000,
    )
    functions.delete_function_concurrency(FunctionName="echo")
    functions.tag_resource(Resource=alias["AliasArn"].removesuffix(":live"), Tags={"team": "blue"})
    got = functions.get_function(FunctionName="echo")
    same(got["Tags"], {"team": "blue"})
    same(got["Configuration"]["CodeSize"], len(code))
    names = [one["FunctionName"] for page in functions.get_paginator("list_functions").paginate() for one in page["Functions"]]
    same(names, ["echo"])

    logs = client("logs")
    lines = until(
        "the function's lines",
        lambda: logs.filter_log_events(logGroupName="/aws/lambda/echo", filterPattern='"event has"')["events"],
    )
    same({line["message"] for line in lines}, {"the event has 1 keys\n"})
    logs.delete_log_group(logGroupName="/aws/lambda/echo")


def functions_end():
    functions = client("lambda")
    functions.delete_alias(FunctionName="echo", Name="live")
    functions.delete_function(FunctionName="echo")
    refused("ResourceNotFoundException", 404, functions.delete_function, FunctionName="echo")


def gateway():
    gateway = client("apigatewayv2")
    refused("BadRequestException", 400, gateway.create_api, Name="bad", ProtocolType="WEBSOCKET")
    api = gateway.create_api(
        Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action", Tags={"a": "b"}
    )
    same(api["ApiEndpoint"].split("://")[0], "ws")
    of = {"ApiId": api["ApiId"]}
    refused("BadRequestException", 400, gateway.create_deployment, **of)
    uri = (
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
        "arn:aws:lambda:us-east-1:000000000000:function:echo:live/invocations"
    )
    proxy = dict(of, IntegrationType="AWS_PROXY", IntegrationMethod="POST")
    integration = gateway.create_integration(**proxy, IntegrationUri=uri)
    same(integration["TimeoutInMillis"], 29000)
    refused("BadRequestException", 400, gateway.create_integration, **proxy, IntegrationUri=uri, TimeoutInMillis=30000)
    target = "integrations/" + integration["IntegrationId"]
    route = gateway.create_route(**of, RouteKey="$default", Target=target)
    refused("ConflictException", 409, gateway.create_route, **of, RouteKey="$default", Target=target)
    refused(
        "ConflictException", 409, gateway.delete_integration, **of, IntegrationId=integration["IntegrationId"]
    )
    deployment = gateway.create_deployment(**of, Description="first")["DeploymentId"]
    until(
        "the deployment",
        lambda: gateway.get_deployment(**of, DeploymentId=deployment)["DeploymentStatus"] == "DEPLOYED",
    )
    stage = dict(of, StageName="dev")
    made = gateway.create_stage(**stage, DeploymentId=deployment, StageVariables={"colour": "red"})
    same(made["DeploymentId"], deployment)
    refused("ConflictException", 409, gateway.create_stage, **stage, DeploymentId=deployment)
    refused("NotFoundException", 404, gateway.get_stage, **of, StageName="prod")
    refused("BadRequestException", 400, gateway.delete_deployment, **of, DeploymentId=deployment)
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api['ApiId']}"
    gateway.tag_resource(ResourceArn=arn, Tags={"c": "d"})
    gateway.tag_resource(ResourceArn=arn + "/stages/dev", Tags={"e": "f"})
    same(gateway.get_tags(ResourceArn=arn)["Tags"], {"a": "b", "c": "d"})
    same(gateway.get_stage(**stage)["Tags"], {"e": "f"})
    gateway.untag_resource(ResourceArn=arn, TagKeys=["a"])
    same(gateway.get_api(**of)["Tags"], {"c": "d"})
    same([one["RouteKey"] for one in gateway.get_routes(**of)["Items"]], ["$default"])

    manage = client("apigatewaymanagementapi", endpoint_url=api["ApiEndpoint"].replace("ws", "http", 1) + "/dev")
    return of, stage, route["RouteId"], integration["IntegrationId"], deployment, manage


def gateway_ends(of, stage, route, integration, deployment, manage):
    gateway = client("apigatewayv2")
    gateway.delete_stage(**stage)
    gateway.delete_deployment(**of, DeploymentId=deployment)
    gateway.delete_route(**of, RouteId=route)
    gateway.delete_integration(**of, IntegrationId=integration)
    gateway.delete_api(**of)
    refused("NotFoundException", 404, gateway.get_api, **of)
    same(gateway.get_apis()["Items"], [])


MISSING = "AWS.SimpleQueueService.NonExistentQueue"


def queues():
    sqs = client("sqs")
    refused(MISSING, 400, sqs.get_queue_url, QueueName="none")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    same(arn, "arn:aws:sqs:us-east-1:000000000000:dead")
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = sqs.create_queue(
        QueueName="work", Attributes={"VisibilityTimeout": "60", "RedrivePolicy": redrive}, tags={"a": "b"}
    )["QueueUrl"]
    same(sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "60"})["QueueUrl"], url)
    refused("QueueAlreadyExists", 400, sqs.create_queue, QueueName="work", Attributes={"VisibilityTimeout": "61"})
    same(sqs.list_queue_tags(QueueUrl=url)["Tags"], {"a": "b"})
    sent = sqs.send_message(
        QueueUrl=url, MessageBody="hé & <b>", MessageAttributes={"who": {"DataType": "String", "StringValue": "me"}}
    )
    got = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"], WaitTimeSeconds=5)[
        "Messages"
    ]
    same([(one["MessageId"], one["Body"]) for one in got], [(sent["MessageId"], "hé & <b>")])
    same(got[0]["MessageAttributes"]["who"]["StringValue"], "me")
    same(got[0]["Attributes"]["ApproximateReceiveCount"], "1")
    same(sqs.receive_message(QueueUrl=url).get("Messages", []), [])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
    refused("ReceiptHandleIsInvalid", 404, sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense")

    entries = [{"Id": str(n), "MessageBody": f"m{n}"} for n in range(3)]
    batch = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    same([one["Id"] for one in batch["Successful"]], ["0", "1", "2"])
    refused("AWS.SimpleQueueService.EmptyBatchRequest", 400, sqs.send_message_batch, QueueUrl=url, Entries=[])
    refused(
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        400,
        sqs.send_message_batch,
        QueueUrl=url,
        Entries=[entries[0], entries[0]],
    )
    got = []
    while len(got) < 3:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        assert answer.get("Messages"), f"{len(got)} of 3 messages came"
        got += answer["Messages"]
    same(sorted(one["Body"] for one in got), ["m0", "m1", "m2"])
    handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(got)]
    gone = sqs.delete_message_batch(QueueUrl=url, Entries=handles[:2])
    same(len(gone["Successful"]), 2)

    # The third comes back at once, and having been received once already, goes to the dead letters.
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handles[2]["ReceiptHandle"], VisibilityTimeout=0)
    same(sqs.receive_message(QueueUrl=url).get("Messages", []), [])
    letters = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5, VisibilityTimeout=0, AttributeNames=["All"])["Messages"]
    same([one["Body"] for one in letters], [got[2]["Body"]])
    task = sqs.start_message_move_task(SourceArn=arn)
    assert task["TaskHandle"]
    back = until("the redriven message", lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))
    same(back[0]["Body"], got[2]["Body"])
    same(sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [url])

    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "3600", "RedrivePolicy": ""})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    same((found["MessageRetentionPeriod"], found["VisibilityTimeout"], "RedrivePolicy" in found), ("3600", "60", False))
    refused("InvalidAttributeValue", 400, sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "901"})
    sqs.send_message(QueueUrl=url, MessageBody="to be purged")
    sqs.purge_queue(QueueUrl=url)
    same(sqs.receive_message(QueueUrl=url).get("Messages", []), [])

    fifo = sqs.create_queue(QueueName="line.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    refused("MissingParameter", 400, sqs.send_message, QueueUrl=fifo, MessageBody="x")
    for body in ["one", "two", "two"]:
        sqs.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    got = sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    same([one["Body"] for one in got], ["one", "two"])
    assert int(got[0]["Attributes"]["SequenceNumber"]) < int(got[1]["Attributes"]["SequenceNumber"])
    same(sorted(sqs.list_queues()["QueueUrls"]), sorted([dead, fifo, url]))
    same(sqs.list_queues(QueueNamePrefix="li")["QueueUrls"], [fifo])
    for one in [url, dead, fifo]:
        sqs.delete_queue(QueueUrl=one)
    refused(MISSING, 400, sqs.send_message, QueueUrl=url, MessageBody="x")
    same(sqs.list_queues().get("QueueUrls", []), [])


def tables():
    dynamodb = client("dynamodb")
    key = [{"AttributeName": "room", "KeyType": "HASH"}, {"AttributeName": "seq", "KeyType": "RANGE"}]
    wanted = dict(
        TableName="says",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=key,
        AttributeDefinitions=[
            {"AttributeName": "room", "AttributeType": "S"},
            {"AttributeName": "seq", "AttributeType": "N"},
        ],
    )
    dynamodb.create_table(**wanted)
    dynamodb.get_waiter("table_exists").wait(TableName="says")
    refused("ResourceInUseException", 400, dynamodb.create_table, **wanted)
    for n in range(5):
        item = {"room": {"S": "a"}, "seq": {"N": str(n)}, "text": {"S": f"m{n}"}}
        dynamodb.put_item(TableName="says", Item=item)
    same(dynamodb.get_item(TableName="says", Key={"room": {"S": "a"}, "seq": {"N": "3"}})["Item"]["text"], {"S": "m3"})
    assert "Item" not in dynamodb.get_item(TableName="says", Key={"room": {"S": "b"}, "seq": {"N": "3"}})
    refused(
        "ConditionalCheckFailedException",
        400,
        dynamodb.put_item,
        TableName="says",
        Item={"room": {"S": "a"}, "seq": {"N": "0"}},
        ConditionExpression="attribute_not_exists(room)",
    )
    refused("ValidationException", 400, dynamodb.put_item, TableName="says", Item={"room": {"S": "a"}})
    pages = dynamodb.get_paginator("query").paginate(
        TableName="says",
        KeyConditionExpression="room = :r AND seq > :n",
        ExpressionAttributeValues={":r": {"S": "a"}, ":n": {"N": "0"}},
        ScanIndexForward=False,
        PaginationConfig={"PageSize": 2},
    )
    same([item["seq"]["N"] for page in pages for item in page["Items"]], ["4", "3", "2", "1"])
    new = dynamodb.update_item(
        TableName="says",
        Key={"room": {"S": "a"}, "seq": {"N": "1"}},
        UpdateExpression="SET likes = if_not_exists(likes, :zero) + :one",
        ExpressionAttributeValues={":zero": {"N": "0"}, ":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    same(new["Attributes"], {"likes": {"N": "1"}})
    same(dynamodb.scan(TableName="says", Select="COUNT")["Count"], 5)
    dynamodb.update_time_to_live(
        TableName="says", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    ttl = dynamodb.describe_time_to_live(TableName="says")["TimeToLiveDescription"]
    same(ttl["AttributeName"], "expires")
    assert ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING"), ttl
    gone = dynamodb.delete_item(
        TableName="says", Key={"room": {"S": "a"}, "seq": {"N": "1"}}, ReturnValues="ALL_OLD"
    )
    same(gone["Attributes"]["likes"], {"N": "1"})
    dynamodb.delete_table(TableName="says")
    dynamodb.get_waiter("table_not_exists").wait(TableName="says")
    refused("ResourceNotFoundException", 400, dynamodb.scan, TableName="says")
    same(dynamodb.list_tables()["TableNames"], [])


def metrics():
    watch = client("cloudwatch")
    start = int(time.time()) // 60 * 60 - 300
    watch.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {"MetricName": "Sold", "Dimensions": [{"Name": "Till", "Value": "1"}], "Timestamp": start, "Value": value}
            for value in (2.0, 4.0)
        ],
    )
    stat = {
        "Metric": {"Namespace": "Shop", "MetricName": "Sold", "Dimensions": [{"Name": "Till", "Value": "1"}]},
        "Period": 60,
        "Stat": "Sum",
    }
    queries = [
        {"Id": "sold", "MetricStat": stat},
        {"Id": "double", "Expression": "sold * 2", "Label": "twice"},
    ]
    read = dict(StartTime=start - 600, EndTime=start + 600)
    results = watch.get_metric_data(MetricDataQueries=queries, **read)["MetricDataResults"]
    same([(one["Id"], one["Values"]) for one in results], [("sold", [6.0]), ("double", [12.0])])
    same(results[0]["Timestamps"][0].timestamp(), start)
    same([one["MetricName"] for one in watch.list_metrics(Namespace="Shop")["Metrics"]], ["Sold"])
    refused("ValidationError", 400, watch.get_metric_data, MetricDataQueries=[{"Id": "Bad", "MetricStat": stat}], **read)
    alarm = dict(
        AlarmName="sold-out",
        Namespace="Shop",
        MetricName="Sold",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    watch.put_metric_alarm(**alarm)
    refused("ValidationError", 400, watch.put_metric_alarm, **{**alarm, "Period": 61})
    found = watch.describe_alarms(AlarmNames=["sold-out"])["MetricAlarms"]
    same([(one["Threshold"], one["TreatMissingData"]) for one in found], [(5.0, "notBreaching")])
    watch.set_alarm_state(AlarmName="sold-out", StateValue="ALARM", StateReason="a test")
    history = watch.describe_alarm_history(AlarmName="sold-out", HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert any("to ALARM" in one["HistorySummary"] for one in history), history
    refused("ResourceNotFound", 404, watch.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="a test")
    body = {"widgets": [{"type": "text", "width": 6, "height": 3, "properties": {"markdown": "hello"}}]}
    same(watch.put_dashboard(DashboardName="shop", DashboardBody=json.dumps(body))["DashboardValidationMessages"], [])
    same(json.loads(watch.get_dashboard(DashboardName="shop")["DashboardBody"]), body)
    refused("InvalidParameterInput", 400, watch.put_dashboard, DashboardName="shop", DashboardBody="{]")
    watch.delete_dashboards(DashboardNames=["shop"])
    refused("ResourceNotFound", 404, watch.get_dashboard, DashboardName="shop")
    watch.delete_alarms(AlarmNames=["sold-out"])
    same(watch.describe_alarms()["MetricAlarms"], [])


def logs():
    logs = client("logs")
    group = {"logGroupName": "/shop/till"}
    logs.create_log_group(**group, tags={"a": "b"})
    refused("ResourceAlreadyExistsException", 400, logs.create_log_group, **group)
    logs.put_retention_policy(**group, retentionInDays=7)
    refused("InvalidParameterException", 400, logs.put_retention_policy, **group, retentionInDays=8)
    found = logs.describe_log_groups(logGroupNamePrefix="/shop")["logGroups"]
    same([(one["retentionInDays"], one["arn"].endswith(":*")) for one in found], [(7, True)])
    stream = dict(group, logStreamName="one")
    refused("ResourceNotFoundException", 400, logs.put_log_events, **stream, logEvents=[{"timestamp": 1, "message": "x"}])
    logs.create_log_stream(**stream)
    # stream-… is the host's prefix that boto3 puts before a name; an address of 127.0.0.1 can't have one.
    tail = SESSION.client("logs", config=CONFIG.merge(Config(inject_host_prefix=False)))
    events = iter(
        tail.start_live_tail(logGroupIdentifiers=[found[0]["logGroupArn"]], logEventFilterPattern="ERROR")["responseStream"]
    )
    assert "sessionStart" in next(events)
    now = int(time.time() * 1000)
    messages = ["INFO all is well", "ERROR no change left", '{"level": "warn", "coins": 3}']
    logs.put_log_events(
        **stream, logEvents=[{"timestamp": now + n, "message": text} for n, text in enumerate(messages)]
    )
    lines = until("a tailed line", lambda: next(events)["sessionUpdate"]["sessionResults"])
    same([line["message"] for line in lines], [messages[1]])
    same([one["message"] for one in logs.get_log_events(**stream, startFromHead=True)["events"]], messages)

    def filtered(pattern):
        pages = logs.get_paginator("filter_log_events").paginate(
            **group, filterPattern=pattern, PaginationConfig={"PageSize": 1}
        )
        return [one["message"] for page in pages for one in page["events"]]

    same(filtered(""), messages)
    same(filtered("?INFO ?ERROR"), messages[:2])
    same(filtered('{ $.level = "warn" && $.coins > 2 }'), messages[2:])
    refused("InvalidParameterException", 400, logs.filter_log_events, **group, filterPattern="{ $.level = ")
    logs.delete_log_stream(**stream)
    logs.delete_log_group(**group)
    refused("ResourceNotFoundException", 400, logs.delete_log_group, **group)
    same(logs.describe_log_groups()["logGroups"], [])


def buckets():
    s3 = SESSION.client("s3", config=CONFIG.merge(Config(s3={"addressing_style": "path"})))
    s3.create_bucket(Bucket="the-locks")
    refused("404", 404, s3.head_bucket, Bucket="no-such-bucket")
    lock = dict(Bucket="the-locks", Key="stacks/dév/lock")
    etag = s3.put_object(**lock, Body=b"mine", IfNoneMatch="*", ContentType="application/json")["ETag"]
    refused("PreconditionFailed", 412, s3.put_object, **lock, Body=b"yours", IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.put_object, **lock, Body=b"yours", IfMatch='"0"')
    new = s3.put_object(**lock, Body=b"mine still", IfMatch=etag)["ETag"]
    got = s3.get_object(**lock)
    same((got["Body"].read(), got["ETag"], got["ContentType"]), (b"mine still", new, "binary/octet-stream"))
    same(s3.get_object(**lock, Range="bytes=0-3")["Body"].read(), b"mine")
    refused("NoSuchKey", 404, s3.get_object, Bucket="the-locks", Key="none")
    refused("304", 304, s3.head_object, **lock, IfNoneMatch=new)
    for n in range(3):
        s3.put_object(Bucket="the-locks", Key=f"records/{n}", Body=b"x" * n)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="the-locks", Prefix="records/", PaginationConfig={"PageSize": 2}
    )
    same([(one["Key"], one["Size"]) for page in pages for one in page["Contents"]], [(f"records/{n}", n) for n in range(3)])
    folders = s3.list_objects_v2(Bucket="the-locks", Delimiter="/")["CommonPrefixes"]
    same([one["Prefix"] for one in folders], ["records/", "stacks/"])
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket="the-locks")
    refused("PreconditionFailed", 412, s3.delete_object, **lock, IfMatch=etag)
    s3.delete_object(**lock, IfMatch=new)
    gone = s3.delete_objects(Bucket="the-locks", Delete={"Objects": [{"Key": f"records/{n}"} for n in range(3)]})
    same(len(gone["Deleted"]), 3)
    s3.delete_bucket(Bucket="the-locks")
    refused("NoSuchBucket", 404, s3.put_object, **lock, Body=b"")
    same(s3.list_buckets()["Buckets"], [])


def main():
    sts()
    role = iam()
    functions(role)
    api = gateway()
    manage = api[-1]
    refused("BadRequestException", 400, manage.post_to_connection, ConnectionId="nobody", Data=b"x")
    refused("BadRequestException", 400, manage.get_connection, ConnectionId="nobody")
    gateway_ends(*api)
    functions_end()
    iam_ends()
    queues()
    tables()
    metrics()
    logs()
    buckets()
    print(f"{len(CALLS)} calls of {len(set(CALLS))} operations")


main()
