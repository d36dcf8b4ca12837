//! Who calls: keys, sessions, and STS.

use super::*;

#[tokio::test]
async fn a_session_keeps_its_key_and_the_key_tells_the_session() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let first = cloud.iam.credentials(&session("r"));
    let again = cloud.iam.credentials(&session("r"));
    assert_eq!(first.access_key, again.access_key);
    assert!(first.access_key.starts_with("ASIAQAAAAAAA"));
    assert_eq!(first.access_key.len(), 20);
    assert_eq!(
        cloud.iam.bearer(&first.access_key),
        (session("r"), first.secret)
    );
    let (caller, secret) = cloud.iam.bearer("anything");
    assert_eq!(secret, "test");
    assert!(matches!(caller, Caller::Owner { .. }));
    // Somebody's real temporary key isn't one of ours.
    let (caller, _) = cloud.iam.bearer("ASIAIOSFODNN7EXAMPLE");
    assert!(matches!(caller, Caller::Owner { .. }));
}

#[tokio::test]
async fn a_forgotten_key_isnt_the_owners() {
    let cloud = cloud();
    let (caller, _) = cloud.iam.bearer("ASIAQAAAAAAABCDEFGHI");
    let error = sts(&cloud, caller, "GetCallerIdentity", json!({}))
        .await
        .unwrap_err();
    assert_eq!(said(&error).0, 403);
    assert_eq!(error.code, "InvalidClientTokenId");
    let past = cloud.iam.temporary(owner(), Millis(1));
    let (caller, _) = cloud.iam.bearer(&past.access_key);
    let error = sts(&cloud, caller, "GetCallerIdentity", json!({}))
        .await
        .unwrap_err();
    assert_eq!(error.code, "ExpiredToken");
}

#[tokio::test]
async fn sts_says_who_is_calling() {
    let cloud = cloud();
    let made = role(&cloud, "r").await;
    let asked = sts(&cloud, owner(), "GetCallerIdentity", json!({}))
        .await
        .unwrap();
    assert_eq!(asked["Arn"], "arn:aws:iam::000000000000:user/local");
    assert_eq!(asked["Account"], "000000000000");
    let asked = sts(&cloud, session("r"), "GetCallerIdentity", json!({}))
        .await
        .unwrap();
    assert_eq!(asked["Arn"], "arn:aws:sts::000000000000:assumed-role/r/s");
    let id = format!("{}:s", made["RoleId"].as_str().unwrap());
    assert_eq!(asked["UserId"], id);
}

#[tokio::test]
async fn a_role_is_assumed_by_those_whom_it_trusts() {
    let cloud = cloud();
    let make = |name: &'static str, principal: Value| {
        let input = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust(&principal) });
        call(&cloud, "CreateRole", input)
    };
    let account = json!({ "AWS": "arn:aws:iam::000000000000:root" });
    make("open", account).await.unwrap();
    role(&cloud, "caller").await;
    make(
        "named",
        json!({ "AWS": "arn:aws:iam::000000000000:role/wsless/caller" }),
    )
    .await
    .unwrap();
    let assume = |caller: Caller, name: &str, seconds: i64| {
        let input = json!({
            "RoleArn": format!("arn:aws:iam::000000000000:role/{name}"),
            "RoleSessionName": "me",
            "DurationSeconds": seconds,
        });
        sts(&cloud, caller, "AssumeRole", input)
    };
    let given = assume(owner(), "open", 900).await.unwrap();
    assert_eq!(
        given["AssumedRoleUser"]["Arn"],
        "arn:aws:sts::000000000000:assumed-role/open/me"
    );
    let key = given["Credentials"]["AccessKeyId"].as_str().unwrap();
    let (caller, secret) = cloud.iam.bearer(key);
    assert_eq!(
        caller,
        Caller::Role {
            role: "arn:aws:iam::000000000000:role/open".into(),
            session: "me".into()
        }
    );
    assert_eq!(given["Credentials"]["SecretAccessKey"], json!(secret));
    // A role that trusts a service only, a role that isn't there: the same.
    for name in ["wsless/caller", "ghost"] {
        let error = assume(owner(), name, 900).await.unwrap_err();
        assert_eq!(
            said(&error),
            (
                403,
                "AccessDenied",
                format!(
                    "User: arn:aws:iam::000000000000:user/local is not authorized to perform: sts:AssumeRole on resource: \
                     arn:aws:iam::000000000000:role/{name}"
                )
                .as_str()
            )
        );
    }
    // Named itself it needs no policy of its own; with its account it does.
    let caller = || session("caller");
    assume(caller(), "named", 900).await.unwrap();
    assert!(assume(caller(), "open", 900).await.is_err());
    put(&cloud, "caller", &allow("sts:AssumeRole", "*")).await;
    assume(caller(), "open", 900).await.unwrap();
    let error = assume(caller(), "open", 3601).await.unwrap_err();
    assert!(error.message.contains("role chaining"));
    let error = assume(owner(), "open", 3601).await.unwrap_err();
    assert_eq!(
        said(&error).2,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
    assert!(assume(owner(), "open", 899).await.is_err());
}
