//! The control plane on moto, which keeps the fields that ministack drops: what was sent is read back.

use std::collections::BTreeSet;

use aws_sdk_apigatewayv2::types::{Integration, IntegrationType, PassthroughBehavior, Route};
use serde_json::{Value, json};

use crate::harness::{Cloud, Fault, Project, run};

const ACCOUNT: &str = "123456789012";

/// Answers in moto's stead what moto 5.2.5 can't do: it doesn't speak CloudWatch's protocol, has no deployments, and
/// doesn't list route responses and authorizers.
fn fill_in(cloud: &Cloud) {
    let answer = |operation: &str, status, content_type, body: &[u8]| {
        let fault = Fault::on(operation).always();
        cloud
            .recorder
            .fault(fault.answer(status, content_type, body));
    };
    for list in ["GetDeployments", "GetRouteResponses", "GetAuthorizers"] {
        answer(list, 200, "application/json", br#"{"items":[]}"#);
    }
    let made = br#"{"deploymentId":"d1","deploymentStatus":"DEPLOYED"}"#;
    answer("CreateDeployment", 201, "application/json", made);
    // {"MetricAlarms": []} and {}
    let none = b"\xa1\x6cMetricAlarms\x80";
    answer("DescribeAlarms", 200, "application/cbor", none);
    answer("PutMetricAlarm", 200, "application/cbor", b"\xa0");
    let none = Fault::on("GetDashboard").always();
    cloud
        .recorder
        .fault(none.error(404, "ResourceNotFound", "There is no such dashboard"));
}

#[test]
fn echos_control_plane_is_read_back_as_it_was_meant() {
    let deployed = Deployed::new("echo");
    deployed.sends_to_queues(&[("echo", "echo-dev-echo", false)]);
    deployed.routes(&[
        ("$connect", "function:connect", false),
        ("$default", "queue:echo", false),
        ("$disconnect", "function:disconnect", false),
        ("ping", "function:ping", true),
    ]);
    deployed.functions(&[
        ("connect", &["$connect"]),
        ("disconnect", &["$disconnect"]),
        ("echo", &[]),
        ("ping", &["ping"]),
        ("push", &[]),
    ]);
    deployed.ends(&["ping"], &["echo", "push"]);
}

#[test]
fn chats_control_plane_is_read_back_as_it_was_meant() {
    let deployed = Deployed::new("chat");
    deployed.sends_to_queues(&[("chat", "chat-dev-chat.fifo", true)]);
    deployed.routes(&[
        ("$connect", "function:connect", false),
        ("$default", "function:chat", true),
        ("$disconnect", "function:disconnect", false),
        ("join", "queue:chat", false),
        ("leave", "queue:chat", false),
        ("say", "queue:chat", false),
        ("who", "function:chat", true),
    ]);
    deployed.functions(&[
        ("chat", &["$default", "who"]),
        ("connect", &["$connect"]),
        ("disconnect", &["$disconnect"]),
        ("push", &[]),
    ]);
    deployed.ends(&["$default", "who"], &["chat", "push"]);
}

/// A template's stage on moto.
struct Deployed {
    template: &'static str,
    cloud: Cloud,
    project: Project,
    api_id: String,
    integrations: Vec<Integration>,
    routes: Vec<Route>,
}

impl Deployed {
    fn new(template: &'static str) -> Self {
        let cloud = Cloud::moto();
        fill_in(&cloud);
        let project = Project::init(template, &cloud);
        let _ = project.wsless(["deploy", "--yes"]).succeeds();
        let gateway = aws_sdk_apigatewayv2::Client::new(&cloud.sdk());
        let (api_id, integrations, routes) = run(async {
            let apis = gateway.get_apis().send().await?.items.unwrap_or_default();
            let [api] = apis.as_slice() else {
                panic!("one API, not {apis:?}");
            };
            let id = api.api_id.clone().unwrap_or_default();
            let integrations = gateway.get_integrations().api_id(&id).send().await?;
            let routes = gateway.get_routes().api_id(&id).send().await?;
            Ok::<_, aws_sdk_apigatewayv2::Error>((
                id,
                integrations.items.unwrap_or_default(),
                routes.items.unwrap_or_default(),
            ))
        })
        .expect("an API to read back");
        Self {
            template,
            cloud,
            project,
            api_id,
            integrations,
            routes,
        }
    }

    fn name(&self, thing: &str) -> String {
        format!("{}-dev-{thing}", self.template)
    }

    /// The integration that a name of ours means.
    fn integration(&self, name: &str) -> &Integration {
        let description = match name.split_once(':') {
            Some(("function", thing)) => format!("Function {thing}"),
            Some(("queue", thing)) => format!("Queue of {thing}"),
            _ => panic!("{name}?"),
        };
        self.integrations
            .iter()
            .find(|found| found.description.as_deref() == Some(&description))
            .unwrap_or_else(|| panic!("no {name} in {:#?}", self.integrations))
    }

    /// Handler, queue, ordered: API Gateway sends to the queue, as a role that may do that alone.
    fn sends_to_queues(&self, queues: &[(&str, &str, bool)]) {
        let gateway = self.name("gateway");
        let role = format!(
            "arn:aws:iam::{ACCOUNT}:role/wsless/{}/dev/{gateway}",
            self.template
        );
        for (handler, queue, ordered) in queues {
            let integration = self.integration(&format!("queue:{handler}"));
            let uri = format!("arn:aws:apigateway:us-east-1:sqs:path/{ACCOUNT}/{queue}");
            assert_eq!(integration.integration_type, Some(IntegrationType::Aws));
            assert_eq!(integration.integration_uri, Some(uri));
            assert_eq!(integration.integration_method.as_deref(), Some("POST"));
            assert_eq!(integration.credentials_arn.as_ref(), Some(&role));
            assert_eq!(
                integration.passthrough_behavior,
                Some(PassthroughBehavior::Never)
            );
            let selection = integration.template_selection_expression.as_deref();
            assert_eq!(selection, Some("\\$default"));
            assert_eq!(integration.timeout_in_millis, Some(29_000));
            let parameters = integration.request_parameters.clone().unwrap_or_default();
            let form = "'application/x-www-form-urlencoded'".to_owned();
            assert_eq!(
                parameters.into_iter().collect::<Vec<_>>(),
                [("integration.request.header.Content-Type".to_owned(), form)]
            );
            let templates = integration.request_templates.clone().unwrap_or_default();
            let [(key, template)] = templates
                .into_iter()
                .collect::<Vec<_>>()
                .try_into()
                .unwrap();
            assert_eq!(key, "$default");
            assert!(
                template
                    .starts_with("Action=SendMessage&MessageBody=$util.urlEncode($input.body)&"),
                "{template}"
            );
            let group = "&MessageGroupId=$util.urlEncode($context.connectionId)";
            assert_eq!(template.contains(group), *ordered, "{template}");
        }
        let arns: Vec<_> = queues
            .iter()
            .map(|(_, queue, _)| format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}"))
            .collect();
        let (trust, policies) = self.role(&gateway);
        assert_eq!(trust, trusts("apigateway.amazonaws.com"));
        let [policy] = policies.as_slice() else {
            panic!("one policy, not {policies:#?}");
        };
        assert_eq!(
            policy["Statement"],
            json!([{ "Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": arns }])
        );
    }

    /// Key, integration, whether it answers.
    fn routes(&self, routes: &[(&str, &str, bool)]) {
        let found: BTreeSet<_> = self
            .routes
            .iter()
            .map(|route| route.route_key.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(found, routes.iter().map(|(key, ..)| *key).collect());
        for (key, integration, answers) in routes {
            let route = self
                .routes
                .iter()
                .find(|route| route.route_key.as_deref() == Some(key))
                .expect("it's there");
            let integration = self.integration(integration);
            let id = integration.integration_id.as_deref().unwrap_or_default();
            assert_eq!(route.target, Some(format!("integrations/{id}")), "{key}");
            let selection = route.route_response_selection_expression.as_deref();
            assert_eq!(selection, answers.then_some("$default"), "{key}");
        }
        // What moto doesn't list was sent at least.
        let sent = self.cloud.recorder.calls();
        let answering = routes.iter().filter(|(.., answers)| *answers).count();
        assert_eq!(sent.named("CreateRouteResponse").len(), answering);
        let stages = sent.named("CreateStage");
        let [stage] = stages.iter().collect::<Vec<_>>().try_into().expect("one");
        assert_eq!(stage.json()["deploymentId"], "d1");
        assert_eq!(stage.json()["stageName"], "dev");
    }

    /// Handler, and the routes that may call it: with a role of its own that Lambda assumes.
    fn functions(&self, functions: &[(&str, &[&str])]) {
        let lambda = aws_sdk_lambda::Client::new(&self.cloud.sdk());
        for (thing, keys) in functions {
            let name = self.name(thing);
            let role = format!(
                "arn:aws:iam::{ACCOUNT}:role/wsless/{}/dev/{name}",
                self.template
            );
            let configuration = lambda.get_function_configuration().function_name(&name);
            let configuration = run(configuration.send()).expect("a function");
            assert_eq!(configuration.role, Some(role), "{thing}");
            let (trust, policies) = self.role(&name);
            assert_eq!(trust, trusts("lambda.amazonaws.com"), "{thing}");
            let [policy] = policies.as_slice() else {
                panic!("{thing}: one policy, not {policies:#?}");
            };
            let statements = policy["Statement"].as_array().expect("statements");
            let group = format!("arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{name}:*");
            assert_eq!(statements[0]["Resource"], json!([group]), "{thing}");
            assert_eq!(Self::callers(&lambda, &name), self.arns(keys), "{thing}");
        }
    }

    /// Whom the alias lets in.
    fn callers(lambda: &aws_sdk_lambda::Client, function: &str) -> BTreeSet<String> {
        let policy = lambda.get_policy().function_name(function);
        let Ok(found) = run(policy.qualifier("live").send()) else {
            return BTreeSet::new();
        };
        let policy: Value =
            serde_json::from_str(&found.policy.unwrap_or_default()).expect("a policy");
        let statements = policy["Statement"].as_array().expect("statements");
        statements
            .iter()
            .map(|statement| {
                let principal = &statement["Principal"]["Service"];
                assert_eq!(principal, "apigateway.amazonaws.com");
                assert_eq!(statement["Action"], "lambda:InvokeFunction");
                let source = &statement["Condition"]["ArnLike"]["AWS:SourceArn"];
                source.as_str().expect("a source").to_owned()
            })
            .collect()
    }

    fn arns(&self, keys: &[&str]) -> BTreeSet<String> {
        let api = format!("arn:aws:execute-api:us-east-1:{ACCOUNT}:{}", self.api_id);
        keys.iter().map(|key| format!("{api}/dev/{key}")).collect()
    }

    /// A role's trust policy and its inline policies.
    fn role(&self, name: &str) -> (Value, Vec<Value>) {
        let iam = aws_sdk_iam::Client::new(&self.cloud.sdk());
        let document = |encoded: &str| -> Value {
            let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
            serde_json::from_str(&text).expect("a policy document")
        };
        run(async {
            let role = iam.get_role().role_name(name).send().await?.role;
            let trust = role.and_then(|role| role.assume_role_policy_document);
            let names = iam.list_role_policies().role_name(name).send().await?;
            let mut policies = Vec::new();
            for policy in names.policy_names {
                let found = iam.get_role_policy().role_name(name).policy_name(policy);
                policies.push(document(&found.send().await?.policy_document));
            }
            Ok::<_, aws_sdk_iam::Error>((document(&trust.unwrap_or_default()), policies))
        })
        .unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// A second plan shows nothing but what moto forgets; then all goes.
    fn ends(&self, answering: &[&str], mapped: &[&str]) {
        let plan = self.project.wsless(["plan", "--output", "json"]).succeeds();
        let lines = plan.json_lines();
        let changes = lines.iter().find_map(|line| line["changes"].as_array());
        let changed: BTreeSet<_> = changes
            .expect("a plan")
            .iter()
            .filter(|change| change["action"] != "keep")
            .filter_map(|change| change["address"].as_str())
            .filter(|address| !address.starts_with("alarm/"))
            .map(str::to_owned)
            .collect();
        let mut forgotten = BTreeSet::from(["deployment/current", "stage/dev"].map(str::to_owned));
        forgotten.extend(answering.iter().map(|key| format!("route-response/{key}")));
        // moto takes a mapping on an alias for one on the alias' version.
        let mappings = mapped.iter();
        forgotten.extend(mappings.map(|thing| format!("event-source-mapping/{thing}")));
        assert_eq!(changed, forgotten, "{plan}");

        let _ = self.project.wsless(["destroy", "--yes"]).succeeds();
        let left = self.cloud.inventory();
        let ours: Vec<_> = left
            .lines()
            .filter(|line| line.contains(self.template))
            .collect();
        assert_eq!(ours, [""; 0]);
    }
}

fn trusts(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    })
}
