//! Errors that pass, and answers that never come: a deploy gets over them by itself and leaves no twin.

use crate::harness::Fault;

use super::Story;

/// What a deploy meets and sits out: operation, status, code, message, times.
const GOING_UP: &[(&str, u16, &str, &str, usize)] = &[
    (
        "GetCallerIdentity",
        503,
        "ServiceUnavailable",
        "Try later",
        1,
    ),
    (
        "ListFunctions",
        429,
        "TooManyRequestsException",
        "Rate exceeded",
        2,
    ),
    ("ListRoles", 400, "Throttling", "Rate exceeded", 1),
    ("GetApis", 500, "InternalServerException", "We failed", 1),
    (
        "PutObject",
        503,
        "SlowDown",
        "Please reduce your request rate.",
        1,
    ),
    (
        "PutObject",
        409,
        "ConditionalRequestConflict",
        "A conflicting operation",
        1,
    ),
    ("CreateRole", 400, "Throttling", "Rate exceeded", 2),
    (
        "CreateRole",
        409,
        "ConcurrentModification",
        "The request was rejected",
        1,
    ),
    (
        "PutRolePolicy",
        404,
        "NoSuchEntity",
        "The role with name x cannot be found.",
        1,
    ),
    (
        "CreateLogGroup",
        400,
        "OperationAbortedException",
        "A conflicting operation is currently in progress against this resource. Please try again.",
        2,
    ),
    (
        "PutRetentionPolicy",
        503,
        "ServiceUnavailableException",
        "Try later",
        1,
    ),
    ("PutMetricAlarm", 400, "Throttling", "Rate exceeded", 2),
    (
        "CreateQueue",
        400,
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        1,
    ),
    ("CreateQueue", 403, "RequestThrottled", "Rate exceeded", 1),
    (
        "CreateFunction",
        400,
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
        4,
    ),
    (
        "CreateFunction",
        429,
        "TooManyRequestsException",
        "Rate exceeded",
        1,
    ),
    (
        "PublishVersion",
        409,
        "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for resource: arn",
        2,
    ),
    (
        "AddPermission",
        429,
        "TooManyRequestsException",
        "Rate exceeded",
        1,
    ),
    ("CreateAlias", 500, "ServiceException", "We failed", 1),
    (
        "CreateEventSourceMapping",
        400,
        "InvalidParameterValueException",
        "The function execution role does not have permissions to call ReceiveMessage on SQS",
        3,
    ),
    (
        "CreateEventSourceMapping",
        400,
        "InvalidParameterValueException",
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist",
        1,
    ),
    (
        "CreateApi",
        429,
        "TooManyRequestsException",
        "Too Many Requests",
        3,
    ),
    (
        "CreateIntegration",
        409,
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
        2,
    ),
    (
        "CreateRoute",
        409,
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
        2,
    ),
    (
        "CreateRoute",
        404,
        "NotFoundException",
        "Invalid Integration identifier specified abc",
        1,
    ),
    (
        "CreateDeployment",
        429,
        "TooManyRequestsException",
        "Too Many Requests",
        1,
    ),
    (
        "CreateStage",
        409,
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
        1,
    ),
];

/// The same for a destroy.
const GOING_DOWN: &[(&str, u16, &str, &str, usize)] = &[
    (
        "DeleteFunction",
        409,
        "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for resource: arn",
        1,
    ),
    (
        "DeleteEventSourceMapping",
        400,
        "ResourceInUseException",
        "Cannot delete the event source mapping because it is in use.",
        2,
    ),
    (
        "DeleteRole",
        409,
        "DeleteConflict",
        "Cannot delete entity, must delete policies first.",
        1,
    ),
    ("DeleteQueue", 403, "RequestThrottled", "Rate exceeded", 1),
    (
        "DeleteLogGroup",
        400,
        "OperationAbortedException",
        "A conflicting operation is currently in progress against this resource.",
        1,
    ),
    (
        "DeleteApi",
        429,
        "TooManyRequestsException",
        "Too Many Requests",
        2,
    ),
    (
        "DeleteTable",
        400,
        "ResourceInUseException",
        "Attempt to change a resource which is still in use: Table is being created",
        1,
    ),
    ("DeleteAlarms", 400, "Throttling", "Rate exceeded", 1),
];

#[test]
fn a_deploy_whose_every_create_loses_its_answer_completes_without_a_twin() {
    let story = Story::begin();
    let recorder = &story.cloud.recorder;
    let creates = [
        "CreateRole",
        "PutRolePolicy",
        "CreateLogGroup",
        "PutRetentionPolicy",
        "CreateTable",
        "UpdateTimeToLive",
        "CreateQueue",
        "CreateFunction",
        "PublishVersion",
        "CreateAlias",
        "AddPermission",
        "CreateEventSourceMapping",
        "PutMetricAlarm",
        "CreateApi",
        "CreateIntegration",
        "CreateIntegrationResponse",
        "CreateRoute",
        "CreateRouteResponse",
        "CreateDeployment",
        "CreateStage",
        // The lock, and then the record.
        "PutObject",
    ];
    for operation in creates {
        recorder.fault(Fault::on(operation).lose_response());
    }
    recorder.fault(
        Fault::on("PutObject")
            .containing("record.json")
            .lose_response(),
    );
    let _ = story.deploy("lost").succeeds();
    assert_eq!(recorder.unused_faults(), Vec::<String>::new());
    story.assert_whole("lost");

    // And where it's the request that is lost, or the service that fails before it does anything.
    for operation in creates {
        recorder.fault(Fault::on(operation).lose_request());
        recorder.fault(
            Fault::on(operation)
                .skip(1)
                .error(500, "InternalFailure", "We failed"),
        );
    }
    let _ = story.deploy("unsent").succeeds();
    story.assert_whole("unsent");
}

#[test]
fn throttles_conflicts_and_lags_are_sat_out() {
    let story = Story::begin();
    let recorder = &story.cloud.recorder;
    for &(operation, status, code, message, times) in GOING_UP {
        recorder.fault(
            Fault::on(operation)
                .times(times)
                .error(status, code, message),
        );
    }
    let told = story.deploy("rough").succeeds();
    assert_eq!(recorder.unused_faults(), Vec::<String>::new(), "{told}");
    story.assert_whole("rough");

    // The way down is as rough.
    for &(operation, status, code, message, times) in GOING_DOWN {
        recorder.fault(
            Fault::on(operation)
                .times(times)
                .error(status, code, message),
        );
    }
    for operation in [
        "DeleteFunction",
        "DeleteRole",
        "DeleteQueue",
        "DeleteLogGroup",
        "DeleteApi",
        "DeleteTable",
    ] {
        recorder.fault(Fault::on(operation).lose_response());
    }
    let told = story
        .wsless(["destroy", "--yes", "--stage", "rough"])
        .succeeds();
    assert_eq!(recorder.unused_faults(), Vec::<String>::new(), "{told}");
    assert_eq!(story.shape("rough"), Vec::<String>::new());
    super::assert_same_shape(&story.shape("calm"), &story.undisturbed);
}
