//! What people and tools ask first, and what there is none of.

use serde_json::json;

use super::Cli;

/// A call, the list in its answer, and how many are in it.
const LISTS: &[(&str, &str, usize)] = &[
    ("iam list-policies --scope Local", "Policies", 0),
    ("iam list-users", "Users", 1),
    ("iam list-groups", "Groups", 0),
    ("iam list-account-aliases", "AccountAliases", 0),
    ("iam list-mfa-devices", "MFADevices", 0),
    ("iam list-saml-providers", "SAMLProviderList", 0),
    (
        "iam list-server-certificates",
        "ServerCertificateMetadataList",
        0,
    ),
    (
        "iam list-attached-user-policies --user-name local",
        "AttachedPolicies",
        0,
    ),
    ("iam list-user-policies --user-name local", "PolicyNames", 0),
    ("iam list-groups-for-user --user-name local", "Groups", 0),
    ("lambda list-functions", "Functions", 0),
    ("lambda list-layers", "Layers", 0),
    ("lambda list-code-signing-configs", "CodeSigningConfigs", 0),
    ("apigatewayv2 get-domain-names", "Items", 0),
    ("apigatewayv2 get-vpc-links", "Items", 0),
    ("dynamodb list-tables", "TableNames", 0),
    ("dynamodb list-backups", "BackupSummaries", 0),
    ("dynamodb list-global-tables", "GlobalTables", 0),
    ("cloudwatch list-dashboards", "DashboardEntries", 0),
    (
        "cloudwatch describe-anomaly-detectors",
        "AnomalyDetectors",
        0,
    ),
    ("cloudwatch describe-insight-rules", "InsightRules", 0),
    ("cloudwatch list-metric-streams", "Entries", 0),
    ("logs describe-log-groups", "logGroups", 0),
    ("logs describe-metric-filters", "metricFilters", 0),
    ("logs describe-queries", "queries", 0),
    ("logs describe-query-definitions", "queryDefinitions", 0),
    ("logs describe-resource-policies", "resourcePolicies", 0),
    ("s3api list-buckets", "Buckets", 0),
];

/// What is refused, since there is none, and how.
const REFUSALS: &[(&str, &str)] = &[
    ("NoSuchEntity", "iam get-account-password-policy"),
    ("NoSuchEntity", "iam list-user-policies --user-name eve"),
    (
        "ResourceNotFoundException",
        "lambda list-function-url-configs --function-name none",
    ),
    (
        "ResourceNotFoundException",
        "lambda get-provisioned-concurrency-config --function-name none --qualifier live",
    ),
    (
        "ResourceNotFoundException",
        "logs describe-subscription-filters --log-group-name none",
    ),
    (
        "AWS.SimpleQueueService.NonExistentQueue",
        "sqs get-queue-url --queue-name none",
    ),
    ("NoSuchBucket", "s3api get-bucket-acl --bucket not-there"),
    ("404", "s3api head-bucket --bucket not-there"),
];

pub fn questions_of_every_day_are_answered(aws: &Cli<'_>) {
    for (call, list, count) in LISTS {
        let answer = aws.runs(call);
        let found = answer[list].as_array().map(Vec::len);
        assert_eq!(found, Some(*count), "{call}: {answer}");
    }
    for (code, call) in REFUSALS {
        aws.refuses(code, call);
    }
    let key = aws.runs("sts get-access-key-info --access-key-id AKIAIOSFODNN7EXAMPLE");
    assert_eq!(key["Account"], "000000000000");
    assert!(aws.runs("lambda get-account-settings")["AccountLimit"].is_object());
    assert!(aws.runs("dynamodb describe-limits")["TableMaxReadCapacityUnits"].is_u64());
    assert!(aws.runs("dynamodb describe-endpoints")["Endpoints"].is_array());
    assert!(aws.runs("iam get-account-summary")["SummaryMap"]["Roles"].is_u64());
    a_buckets_settings_are_aws_defaults(aws);
}

fn a_buckets_settings_are_aws_defaults(aws: &Cli<'_>) {
    std::fs::write(aws.dir.join("small.txt"), "hi").expect("a file");
    aws.runs("s3 mb s3://settings");
    aws.runs("s3 cp small.txt s3://settings/small.txt");
    let listed = aws.runs("s3 ls s3://settings");
    assert!(
        listed
            .as_str()
            .is_some_and(|text| text.contains("2 small.txt")),
        "{listed}"
    );
    aws.runs("s3 mv s3://settings/small.txt s3://settings/moved.txt");
    let ask = |setting: &str| aws.runs(&format!("s3api {setting} --bucket settings"));
    ask("head-bucket");
    assert_eq!(
        ask("get-bucket-acl")["Grants"][0]["Permission"],
        "FULL_CONTROL"
    );
    let rules = &ask("get-bucket-encryption")["ServerSideEncryptionConfiguration"]["Rules"];
    assert_eq!(
        rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        "AES256"
    );
    let rules = &ask("get-bucket-ownership-controls")["OwnershipControls"]["Rules"];
    assert_eq!(rules, &json!([{"ObjectOwnership": "BucketOwnerEnforced"}]));
    assert_eq!(ask("get-bucket-request-payment")["Payer"], "BucketOwner");
    for nothing in [
        "get-bucket-logging",
        "get-bucket-notification-configuration",
        "list-multipart-uploads",
    ] {
        ask(nothing);
    }
    for (code, setting) in [
        ("NoSuchBucketPolicy", "get-bucket-policy"),
        ("NoSuchCORSConfiguration", "get-bucket-cors"),
        (
            "NoSuchLifecycleConfiguration",
            "get-bucket-lifecycle-configuration",
        ),
        ("NoSuchTagSet", "get-bucket-tagging"),
        ("NoSuchWebsiteConfiguration", "get-bucket-website"),
        (
            "ReplicationConfigurationNotFoundError",
            "get-bucket-replication",
        ),
        (
            "ObjectLockConfigurationNotFoundError",
            "get-object-lock-configuration",
        ),
    ] {
        aws.refuses(code, &format!("s3api {setting} --bucket settings"));
    }
    let tags = ask("get-object-tagging --key moved.txt");
    assert_eq!(tags["TagSet"], json!([]));
    assert_eq!(
        ask("get-object-acl --key moved.txt")["Grants"][0]["Grantee"]["Type"],
        "CanonicalUser"
    );
    aws.refuses(
        "NoSuchKey",
        "s3api get-object-tagging --bucket settings --key none",
    );
    aws.runs("s3 rm s3://settings --recursive");
    aws.runs("s3 rb s3://settings");
}
