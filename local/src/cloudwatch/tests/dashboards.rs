use serde_json::json;

use super::{call, cloud, done, refused};

#[tokio::test]
async fn a_dashboard_is_put_read_listed_and_deleted() {
    let cloud = cloud();
    let body = json!({"widgets": [
        {"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6,
         "properties": {"metrics": [["AWS/SQS", "x", "QueueName", "q"]], "region": "eu-west-1"}},
        {"type": "text", "properties": {"markdown": "# hello"}},
    ]})
    .to_string();
    let put = done(
        &cloud,
        "PutDashboard",
        json!({"DashboardName": "shop-dev", "DashboardBody": body, "Tags": [{"Key": "a", "Value": "b"}]}),
    )
    .await;
    assert_eq!(put["DashboardValidationMessages"], json!([]));
    let got = done(&cloud, "GetDashboard", json!({"DashboardName": "shop-dev"})).await;
    assert_eq!(got["DashboardBody"], body);
    let arn = "arn:aws:cloudwatch::000000000000:dashboard/shop-dev";
    assert_eq!(got["DashboardArn"], arn);
    let tags = done(&cloud, "ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
    let list = done(
        &cloud,
        "ListDashboards",
        json!({"DashboardNamePrefix": "shop"}),
    )
    .await;
    assert_eq!(list["DashboardEntries"][0]["Size"], body.len());
    done(
        &cloud,
        "DeleteDashboards",
        json!({"DashboardNames": ["shop-dev"]}),
    )
    .await;
    let error = refused(&cloud, "GetDashboard", json!({"DashboardName": "shop-dev"})).await;
    assert_eq!(error.status, 404);
    assert_eq!(error.query_code, Some("ResourceNotFound"));
}

#[tokio::test]
async fn a_dashboard_is_the_accounts_whatever_region_puts_it() {
    let cloud = cloud();
    done(
        &cloud,
        "PutDashboard",
        json!({"DashboardName": "d", "DashboardBody": "{\"widgets\": []}"}),
    )
    .await;
    let home = cloud.region(crate::DEFAULT_REGION).unwrap();
    assert!(home.cloudwatch.dashboards().lock().contains_key("d"));
}

#[tokio::test]
async fn a_body_that_cant_be_drawn_is_refused_and_an_odd_one_warned_about() {
    let cloud = cloud();
    for (body, part) in [
        ("{", "valid JSON"),
        ("[]", "valid JSON"),
        ("{}", "widgets"),
        ("{\"widgets\": {}}", "array"),
        (
            "{\"widgets\": [{\"type\": \"metric\", \"width\": 25, \"properties\": {\"metrics\": [], \"region\": \"r\"}}]}",
            "/widgets/0/width",
        ),
        (
            "{\"widgets\": [{\"type\": \"metric\", \"properties\": {\"metrics\": []}}]}",
            "region",
        ),
        (
            "{\"widgets\": [{\"type\": \"text\", \"properties\": {}}]}",
            "markdown",
        ),
    ] {
        let error = refused(
            &cloud,
            "PutDashboard",
            json!({"DashboardName": "d", "DashboardBody": body}),
        )
        .await;
        assert_eq!(error.code, "DashboardInvalidInputError");
        assert_eq!(error.query_code, Some("InvalidParameterInput"));
        assert!(error.message.contains(part), "{error}");
        assert!(error.members.contains_key("dashboardValidationMessages"));
    }
    let warned = call(
        &cloud,
        "PutDashboard",
        json!({"DashboardName": "d", "DashboardBody": "{\"widgets\": [{\"type\": \"chart\", \"properties\": {}}]}"}),
    )
    .await
    .unwrap();
    assert_eq!(
        warned["DashboardValidationMessages"][0]["DataPath"],
        "/widgets/0/type"
    );
    let error = refused(
        &cloud,
        "PutDashboard",
        json!({"DashboardName": "a b", "DashboardBody": "{}"}),
    )
    .await;
    assert_eq!(
        error.message,
        "The value for field DashboardName contains invalid characters. \
         It can only contain alphanumerics, dash (-) and underscore (_).\n"
    );
}
