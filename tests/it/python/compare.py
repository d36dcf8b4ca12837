"""The same calls for any cloud: `compare.py` puts each to AWS_ENDPOINT_URL and prints `name<TAB>outcome`, a line each.

An outcome is an error's code and HTTP status, or `ok` with what matters of the answer. What is compared is what a
client could act on, so ids, times and texts are left out. A call that needs what an earlier one made makes do with
an invented name where the cloud refused to make it.
"""

import io
import json
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

CONFIG = Config(
    retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=20, s3={"addressing_style": "path"}
)


def client(service):
    return boto3.client(service, config=CONFIG)


def ask(name, call, pick=lambda answer: None, **arguments):
    """Prints the outcome; gives the answer, `{}` for a refusal."""
    answer = {}
    try:
        answer = call(**arguments)
        found = pick(answer)
        outcome = "ok" if found is None else "ok " + json.dumps(found)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        outcome = f"{code} {error.response['ResponseMetadata']['HTTPStatusCode']}"
    except (BotoCoreError, KeyError, IndexError, ValueError) as error:
        outcome = f"unreadable {type(error).__name__}"
    print(name, outcome, sep="\t", flush=True)
    return answer


def ready(functions, name):
    for _ in range(500):
        found = functions.get_function_configuration(FunctionName=name)
        if found.get("State", "Active") == "Active" and found.get("LastUpdateStatus", "Successful") == "Successful":
            return
        time.sleep(0.02)
    raise AssertionError(f"{name} isn't active")


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    return out.getvalue()


def trust(service):
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def roles():
    iam = client("iam")
    document = trust("lambda.amazonaws.com")
    made = ask("role", iam.create_role, RoleName="r", AssumeRolePolicyDocument=document)
    iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust("sqs.amazonaws.com"))
    rights = {"Effect": "Allow", "Action": ["logs:*", "sqs:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    ask("role again", iam.create_role, RoleName="r", AssumeRolePolicyDocument=document)
    ask("role of bad name", iam.create_role, RoleName="r r", AssumeRolePolicyDocument=document)
    ask("role of bad trust", iam.create_role, RoleName="bad", AssumeRolePolicyDocument="{]")
    ask("inline policy", iam.put_role_policy, RoleName="r", PolicyName="p", PolicyDocument=policy)
    ask("bad inline policy", iam.put_role_policy, RoleName="r", PolicyName="q", PolicyDocument="{]")
    ask("inline policy of no role", iam.put_role_policy, RoleName="none", PolicyName="p", PolicyDocument=policy)
    ask("no role", iam.get_role, RoleName="none")
    ask("no inline policy", iam.get_role_policy, RoleName="r", PolicyName="none")
    ask("role with policy deleted", iam.delete_role, RoleName="r")
    ask("no role deleted", iam.delete_role, RoleName="none")
    ask("no managed policy", iam.attach_role_policy, RoleName="r", PolicyArn="arn:aws:iam::aws:policy/None")
    return made["Role"]["Arn"]


def functions(role):
    functions = client("lambda")
    wanted = dict(
        FunctionName="f", Runtime="provided.al2023", Handler="bootstrap", Role=role, Code={"ZipFile": zipped()}, Timeout=60
    )
    make = functions.create_function
    ask("function without code", make, **{**wanted, "FunctionName": "codeless", "Code": {}})
    ask("function of garbage", make, **{**wanted, "FunctionName": "garbage", "Code": {"ZipFile": b"no zip"}})
    ask("function of no role", make, **{**wanted, "FunctionName": "noone", "Role": role + "-none"})
    other = role.rsplit("/", 1)[0] + "/other"
    ask("function of a role not assumable", make, **{**wanted, "FunctionName": "other", "Role": other})
    big = {"Variables": {"BIG": "x" * 4096}}
    ask("function with 4 KB of environment", make, **{**wanted, "FunctionName": "big", "Environment": big})
    reserved = {"Variables": {"AWS_REGION": "x"}}
    ask("function with a reserved key", make, **{**wanted, "FunctionName": "res", "Environment": reserved})
    ask("function of 64 MB", make, **{**wanted, "FunctionName": "small", "MemorySize": 64})
    ask("function", make, lambda got: [got["MemorySize"], got["Timeout"], got["Version"]], **wanted)
    ready(functions, "f")
    ask("function again", make, **wanted)
    ask("no function", functions.get_function, FunctionName="none")
    ask("no function deleted", functions.delete_function, FunctionName="none")
    ask("no function invoked", functions.invoke, FunctionName="none")
    ask("garbage as new code", functions.update_function_code, FunctionName="f", ZipFile=b"no zip")
    ask("version", functions.publish_version, lambda got: got["Version"], FunctionName="f")
    ask("version again", functions.publish_version, lambda got: got["Version"], FunctionName="f")
    alias = functions.create_alias
    ask("alias", alias, lambda got: got["FunctionVersion"], FunctionName="f", Name="live", FunctionVersion="1")
    ask("alias again", alias, FunctionName="f", Name="live", FunctionVersion="1")
    ask("alias to no version", alias, FunctionName="f", Name="nine", FunctionVersion="9")
    ask("alias to $LATEST", alias, FunctionName="f", Name="latest", FunctionVersion="$LATEST")
    shared = dict(FunctionVersion="$LATEST", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
    ask("alias that shares $LATEST", alias, FunctionName="f", Name="shared", **shared)
    ask("alias named by digits", alias, FunctionName="f", Name="12", FunctionVersion="1")
    ask("no alias", functions.get_alias, FunctionName="f", Name="none")
    ask("no policy", functions.get_policy, FunctionName="f")
    allow = dict(FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
    ask("permission", functions.add_permission, **allow)
    ask("permission again", functions.add_permission, **allow)
    ask("no permission removed", functions.remove_permission, FunctionName="f", StatementId="none")
    everything = dict(FunctionName="f", ReservedConcurrentExecutions=1000)
    ask("all concurrency reserved", functions.put_function_concurrency, **everything)
    sqs = client("sqs")
    short = sqs.create_queue(QueueName="short")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=short, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = functions.create_event_source_mapping
    ask("mapping of visibility < timeout", mapping, FunctionName="f", EventSourceArn=arn)
    sqs.set_queue_attributes(QueueUrl=short, Attributes={"VisibilityTimeout": "90"})
    ask("mapping of 100 without a window", mapping, FunctionName="f", EventSourceArn=arn, BatchSize=100)
    ask("mapping of no queue", mapping, FunctionName="f", EventSourceArn=arn + "-none")
    ask("mapping of no function", mapping, FunctionName="none", EventSourceArn=arn)
    made = ask("mapping", mapping, lambda got: got["BatchSize"], FunctionName="f", EventSourceArn=arn)
    ask("mapping again", mapping, FunctionName="f", EventSourceArn=arn)
    ask("no mapping", functions.get_event_source_mapping, UUID="00000000-0000-4000-8000-000000000000")
    if made:
        functions.delete_event_source_mapping(UUID=made["UUID"])


def gateway(account):
    gateway = client("apigatewayv2")
    api = gateway.create_api
    ask("api without a selection", api, Name="x", ProtocolType="WEBSOCKET")
    ask("api of no protocol", api, Name="x", ProtocolType="GOPHER", RouteSelectionExpression="$request.body.a")
    pick = lambda got: got["ApiEndpoint"].split(":")[0]
    made = ask("api", api, pick, Name="x", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a")
    of = {"ApiId": made["ApiId"]}
    ask("no api", gateway.get_api, ApiId="none")
    ask("no api deleted", gateway.delete_api, ApiId="none")
    ask("deployment of no route", gateway.create_deployment, **of)
    function = f"arn:aws:lambda:us-east-1:{account}:function:f"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    proxy = dict(of, IntegrationType="AWS_PROXY", IntegrationMethod="POST")
    integration = gateway.create_integration
    ask("integration of 30 s", integration, **proxy, IntegrationUri=uri, TimeoutInMillis=30000)
    ask("integration of a bad uri", integration, **proxy, IntegrationUri="nonsense")
    ask("integration of payload 2.0", integration, **proxy, IntegrationUri=uri, PayloadFormatVersion="2.0")
    ask("integration of no type", integration, **{**proxy, "IntegrationType": "MAGIC"}, IntegrationUri=uri)
    queue = dict(
        IntegrationType="AWS",
        IntegrationMethod="POST",
        IntegrationUri=f"arn:aws:apigateway:us-east-1:sqs:path/{account}/q",
        CredentialsArn=f"arn:aws:iam::{account}:role/r",
        PassthroughBehavior="NEVER",
    )
    pick = lambda got: [got["CredentialsArn"].rsplit("/")[-1], got["PassthroughBehavior"]]
    ask("integration with a queue", integration, pick, **of, **queue)
    pick = lambda got: [got["TimeoutInMillis"], got["PayloadFormatVersion"]]
    made = ask("integration", integration, pick, **proxy, IntegrationUri=uri)
    target = "integrations/" + made["IntegrationId"]
    route = gateway.create_route
    ask("route to no integration", route, **of, RouteKey="lost", Target="integrations/none")
    ask("route of no name", route, **of, RouteKey="$strange", Target=target)
    routed = ask("route", route, lambda got: got["AuthorizationType"], **of, RouteKey="$default", Target=target)
    ask("route again", route, **of, RouteKey="$default", Target=target)
    ask("no route", gateway.get_route, **of, RouteId="none")
    ask("no route deleted", gateway.delete_route, **of, RouteId="none")
    jwt = dict(AuthorizerType="JWT", IdentitySource=["$request.header.a"], Name="jwt")
    jwt["JwtConfiguration"] = {"Audience": ["a"], "Issuer": "https://example.com"}
    ask("jwt authorizer", gateway.create_authorizer, **of, **jwt)
    used = made["IntegrationId"]
    ask("used integration deleted", gateway.delete_integration, **of, IntegrationId=used)
    if used not in [one["IntegrationId"] for one in gateway.get_integrations(**of)["Items"]]:
        gateway.update_route(**of, RouteId=routed["RouteId"], Target="integrations/" + integration(**proxy, IntegrationUri=uri)["IntegrationId"])
    made = ask("deployment", gateway.create_deployment, **of)
    deployment = {"DeploymentId": made.get("DeploymentId", "none")}
    stage = dict(of, StageName="dev")
    ask("stage of no deployment", gateway.create_stage, **of, StageName="odd", DeploymentId="none")
    ask("stage", gateway.create_stage, lambda got: got["StageName"], **stage, **deployment)
    ask("stage again", gateway.create_stage, **stage, **deployment)
    ask("stage of bad name", gateway.create_stage, **of, StageName="a b", **deployment)
    ask("no stage", gateway.get_stage, **of, StageName="none")
    ask("no stage deleted", gateway.delete_stage, **of, StageName="none")
    ask("used deployment deleted", gateway.delete_deployment, **of, **deployment)
    ask("tags of no api", gateway.get_tags, ResourceArn="arn:aws:apigateway:us-east-1::/apis/none")


def queues(account):
    sqs = client("sqs")
    ask("no queue", sqs.get_queue_url, QueueName="none")
    url = ask("queue", sqs.create_queue, QueueName="q", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    none = url.removesuffix("/q") + "/none"
    ask("queue again", sqs.create_queue, lambda got: got["QueueUrl"] == url, QueueName="q")
    ask("queue again, otherwise", sqs.create_queue, QueueName="q", Attributes={"VisibilityTimeout": "61"})
    ask("queue of bad name", sqs.create_queue, QueueName="q q")
    ask("queue that is no FIFO", sqs.create_queue, QueueName="nf", Attributes={"FifoQueue": "false"})
    ask("FIFO without its suffix", sqs.create_queue, QueueName="wrong", Attributes={"FifoQueue": "true"})
    ask("queue of retention 59", sqs.create_queue, QueueName="r", Attributes={"MessageRetentionPeriod": "59"})
    ask("queue of unknown attribute", sqs.create_queue, QueueName="u", Attributes={"Colour": "red"})
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{account}:none", "maxReceiveCount": 1})
    ask("redrive to no queue", sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": redrive})
    sent = ask("message", sqs.send_message, lambda got: got["MD5OfMessageBody"], QueueUrl=url, MessageBody="hi")
    assert sent
    ask("message to no queue", sqs.send_message, QueueUrl=none, MessageBody="hi")
    ask("empty message", sqs.send_message, QueueUrl=url, MessageBody="")
    ask("message of a bad character", sqs.send_message, QueueUrl=url, MessageBody="\u0001")
    ask("message of 1 MiB and 1", sqs.send_message, QueueUrl=url, MessageBody="x" * 1048577)
    ask("eleven asked for", sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11)
    ask("waiting for 21 s", sqs.receive_message, QueueUrl=url, WaitTimeSeconds=21)
    received = ask("received", sqs.receive_message, lambda got: [one["Body"] for one in got["Messages"]], QueueUrl=url)
    assert received
    ask("nonsense deleted", sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense")
    ask("empty batch", sqs.send_message_batch, QueueUrl=url, Entries=[])
    twice = [{"Id": "a", "MessageBody": "x"}] * 2
    ask("batch of one id twice", sqs.send_message_batch, QueueUrl=url, Entries=twice)
    eleven = [{"Id": str(n), "MessageBody": "x"} for n in range(11)]
    ask("batch of eleven", sqs.send_message_batch, QueueUrl=url, Entries=eleven)
    fifo = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    ask("FIFO without a group", sqs.send_message, QueueUrl=fifo, MessageBody="x")
    ask("FIFO without deduplication", sqs.send_message, QueueUrl=fifo, MessageBody="x", MessageGroupId="g")
    ask("no queue deleted", sqs.delete_queue, QueueUrl=none)


def tables():
    dynamodb = client("dynamodb")
    wanted = dict(
        TableName="tab",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    ask("no table", dynamodb.describe_table, TableName="none")
    ask("table", dynamodb.create_table, **wanted)
    ask("table again", dynamodb.create_table, **wanted)
    item = {"k": {"S": "a"}}
    ask("item", dynamodb.put_item, TableName="tab", Item=item)
    ask("item without key", dynamodb.put_item, TableName="tab", Item={"x": {"S": "a"}})
    ask("item of another type", dynamodb.put_item, TableName="tab", Item={"k": {"N": "1"}})
    only = dict(ConditionExpression="attribute_not_exists(k)")
    ask("item against its condition", dynamodb.put_item, TableName="tab", Item=item, **only)
    ask("item of a bad condition", dynamodb.put_item, TableName="tab", Item=item, ConditionExpression="((")
    ask("query without key", dynamodb.query, TableName="tab")
    ask("item of no table", dynamodb.get_item, TableName="none", Key=item)
    ask("no item", dynamodb.get_item, lambda got: "Item" in got, TableName="tab", Key={"k": {"S": "none"}})
    ttl = {"Enabled": True, "AttributeName": "e"}
    ask("ttl", dynamodb.update_time_to_live, TableName="tab", TimeToLiveSpecification=ttl)
    ask("ttl again", dynamodb.update_time_to_live, TableName="tab", TimeToLiveSpecification=ttl)


def logs():
    logs = client("logs")
    ask("group", logs.create_log_group, logGroupName="/g")
    ask("group again", logs.create_log_group, logGroupName="/g")
    ask("group of bad name", logs.create_log_group, logGroupName="g g")
    ask("retention not in the enum", logs.put_retention_policy, logGroupName="/g", retentionInDays=8)
    ask("retention of no group", logs.put_retention_policy, logGroupName="/none", retentionInDays=7)
    ask("stream", logs.create_log_stream, logGroupName="/g", logStreamName="s")
    ask("stream again", logs.create_log_stream, logGroupName="/g", logStreamName="s")
    event = [{"timestamp": int(time.time() * 1000), "message": '{"level": "warn"}'}]
    ask("events of no stream", logs.put_log_events, logGroupName="/g", logStreamName="none", logEvents=event)
    ask("events", logs.put_log_events, logGroupName="/g", logStreamName="s", logEvents=event)
    pick = lambda got: len(got["events"])
    ask("events by a term", logs.filter_log_events, pick, logGroupName="/g", filterPattern="warn")
    ask("events by JSON", logs.filter_log_events, pick, logGroupName="/g", filterPattern='{ $.level = "x" }')
    ask("events of no group", logs.filter_log_events, logGroupName="/none")
    ask("no group deleted", logs.delete_log_group, logGroupName="/none")


def watching():
    watch = client("cloudwatch")
    alarm = dict(
        AlarmName="a",
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    ask("alarm", watch.put_metric_alarm, **alarm)
    ask("alarm of period 61", watch.put_metric_alarm, **{**alarm, "Period": 61})
    ask("alarm of a strange comparison", watch.put_metric_alarm, **{**alarm, "ComparisonOperator": "Above"})
    ask("state of no alarm", watch.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="x")
    ask("dashboard of garbage", watch.put_dashboard, DashboardName="d", DashboardBody="{]")
    ask("no dashboard", watch.get_dashboard, DashboardName="none")
    ask("no dashboard deleted", watch.delete_dashboards, DashboardNames=["none"])


def buckets():
    s3 = client("s3")
    ask("no bucket", s3.head_bucket, Bucket="no-such-bucket")
    ask("bucket", s3.create_bucket, Bucket="the-bucket")
    ask("bucket of bad name", s3.create_bucket, Bucket="The_Bucket")
    lock = dict(Bucket="the-bucket", Key="lock")
    pick = lambda got: got["ETag"]
    ask("object if absent", s3.put_object, pick, **lock, Body=b"x", IfNoneMatch="*")
    ask("object if absent, again", s3.put_object, **lock, Body=b"x", IfNoneMatch="*")
    ask("object if another", s3.put_object, **lock, Body=b"x", IfMatch='"0"')
    ask("object if there, but none", s3.put_object, Bucket="the-bucket", Key="none", Body=b"x", IfMatch='"0"')
    ask("no object", s3.get_object, Bucket="the-bucket", Key="none")
    ask("object of no bucket", s3.put_object, Bucket="no-such-bucket", Key="x", Body=b"x")
    ask("full bucket deleted", s3.delete_bucket, Bucket="the-bucket")
    ask("object deleted if another", s3.delete_object, **lock, IfMatch='"0"')
    ask("no object deleted", s3.delete_object, Bucket="the-bucket", Key="none")


def main():
    role = roles()
    account = role.split(":")[4]
    queues(account)
    functions(role)
    gateway(account)
    tables()
    logs()
    watching()
    buckets()


main()
