//! Digests against those that AWS answered, and what AWS refuses.

use serde_json::json;

use super::*;

const STANDARD_QUEUE: Rules = Rules {
    fifo: false,
    content_based: false,
    largest: 1_048_576,
};

fn read(members: &Value) -> Result<Sending> {
    Sending::read(
        members.as_object().expect("an object"),
        STANDARD_QUEUE,
        false,
    )
}

fn md5_of(attributes: &Value) -> String {
    let sending = read(&json!({"MessageBody": "x", "MessageAttributes": attributes}));
    hex(&sending.expect("taken").attributes_md5.expect("a digest"))
}

#[test]
fn digests_are_those_that_aws_answers() {
    let sending = read(&json!({"MessageBody": "message"})).expect("taken");
    assert_eq!(hex(&sending.body_md5), "78e731027d8fd50ed642340b7c9a63b3");
    assert_eq!(
        md5_of(&json!({
            "Help.Me": {"DataType": "String", "StringValue": "Me"},
            "Hello": {"DataType": "String", "StringValue": "There"},
            "General": {"DataType": "String", "StringValue": "Kenobi"},
        })),
        "4c360f3fdafd970e05fae2f149d997f5"
    );
    assert_eq!(
        md5_of(&json!({"timestamp": {"StringValue": "1493147359900", "DataType": "Number"}})),
        "235c5c510d26fb653d073faed50ae77c"
    );
    let bytes = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01";
    assert_eq!(
        md5_of(&json!({"attr1": {"DataType": "Binary", "BinaryValue": STANDARD.encode(bytes)}})),
        "8cbe4db156db8a94db8b801b7addb984"
    );
}

#[test]
fn the_digest_of_system_attributes_is_theirs_alone() {
    let sending = read(&json!({
        "MessageBody": "test",
        "MessageSystemAttributes": {"AWSTraceHeader": {
            "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            "DataType": "String",
        }},
    }))
    .expect("taken");
    assert!(sending.attributes_md5.is_none());
    assert_eq!(
        sending.system_md5.map(|md5| hex(&md5)).as_deref(),
        Some("5ae4d5d7636402d80f4eb6d213245a88")
    );
}

#[test]
fn an_empty_attribute_is_refused_in_awss_words() {
    let error = read(&json!({
        "MessageBody": "test",
        "MessageAttributes": {"ErrorDetails": {"StringValue": "", "DataType": "String"}},
    }))
    .expect_err("refused");
    assert_eq!(error.code, "InvalidParameterValueException");
    assert_eq!(error.query_code, Some("InvalidParameterValue"));
    assert_eq!(
        error.message,
        "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'."
    );
}

#[test]
fn attributes_that_aws_refuses_are_refused() {
    let long = "L".repeat(257);
    let value = json!({"StringValue": "Valid", "DataType": "String"});
    for name in [
        "aWs.x", "AMAZON.x", ".x", "x.", "x..y", "a!", "a\"", "a§", "a(", "a?", "", &long,
    ] {
        let refused = read(&json!({"MessageBody": "x", "MessageAttributes": {name: value}}));
        assert!(refused.is_err(), "{name}");
    }
    for (data_type, value) in [
        ("Invalid", "x"),
        (&*format!("Number.{long}"), "1"),
        ("Number", "many"),
        ("Number", "inf"),
        ("Number", &"1".repeat(39)),
        ("String", "\u{8}"),
    ] {
        let attribute = json!({"StringValue": value, "DataType": data_type});
        let refused = read(&json!({"MessageBody": "x", "MessageAttributes": {"a": attribute}}));
        assert!(refused.is_err(), "{data_type} {value}");
    }
    let foreign =
        json!({"attr.1øßä": value, "n": {"StringValue": "-1.5e3", "DataType": "Number.int"}});
    assert!(read(&json!({"MessageBody": "x", "MessageAttributes": foreign})).is_ok());
    let eleven: Map<_, _> = (0..11).map(|n| (format!("a{n}"), value.clone())).collect();
    let error = read(&json!({"MessageBody": "x", "MessageAttributes": eleven})).expect_err("11");
    assert_eq!(
        error.message,
        "Number of message attributes [11] exceeds the allowed maximum [10]."
    );
}

#[test]
fn a_body_that_xml_cant_carry_is_refused() {
    for body in ["Invalid-\0", "\u{8}", "\u{13}", "\u{FFFF}", "\u{FFFE}"] {
        let error = read(&json!({"MessageBody": body})).expect_err("refused");
        assert_eq!(error.code, "InvalidMessageContents");
    }
    let fine = "tab\t line\n return\r ü 😀 \u{D7FF} \u{E000} \u{FFFD} & + % = # \" ' \\";
    assert!(read(&json!({"MessageBody": fine})).is_ok());
}

#[test]
fn a_message_of_the_limit_fits_and_one_byte_more_doesnt() {
    let rules = Rules {
        largest: 1024,
        ..STANDARD_QUEUE
    };
    let mut members = Members::new();
    members.insert("MessageBody".into(), "a".repeat(1024).into());
    assert!(Sending::read(&members, rules, false).is_ok());
    members.insert(
        "MessageAttributes".into(),
        json!({"k": {"DataType": "String", "StringValue": "x"}}),
    );
    let error = Sending::read(&members, rules, false).expect_err("too long");
    assert_eq!(
        error.message,
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    );
    let error = Sending::read(&members, rules, true).expect_err("too long");
    assert_eq!(
        error.message,
        "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
    );
}
