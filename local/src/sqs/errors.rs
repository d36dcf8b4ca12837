//! SQS's errors, each with its two names: the shape's in the JSON protocol, the code in the query protocol.
//!
//! The texts are AWS's as recorded in LocalStack's snapshots of AWS and in botocore's model; where a text isn't recorded
//! anywhere, the comment says so.

use crate::error::AwsError;

/// A queue that isn't there. The query protocol has words of its own for it [LS snapshot].
pub fn no_queue(query_protocol: bool) -> AwsError {
    let message = if query_protocol {
        "The specified queue does not exist for this wsdl version."
    } else {
        "The specified queue does not exist."
    };
    AwsError::new(400, "QueueDoesNotExist", message)
        .query("AWS.SimpleQueueService.NonExistentQueue")
}

/// A parameter that isn't as it should be, in words that are the caller's.
pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValueException", message).query("InvalidParameterValue")
}

/// A parameter that isn't as it should be, in SQS's usual words.
pub fn invalid_value(
    value: impl std::fmt::Display,
    parameter: &str,
    reason: impl std::fmt::Display,
) -> AwsError {
    invalid(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    ))
}

/// A parameter that must be there.
pub fn missing(parameter: &str) -> AwsError {
    AwsError::new(
        400,
        "MissingRequiredParameterException",
        format!("The request must contain the parameter {parameter}."),
    )
    .query("MissingParameter")
}

/// An attribute that queues don't have.
pub fn unknown_attribute(name: &str) -> AwsError {
    attribute_name(format!("Unknown Attribute {name}."))
}

/// An attribute that can't be given here.
pub fn attribute_name(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidAttributeName", message).query("InvalidAttributeName")
}

/// An attribute whose value isn't as it should be.
pub fn attribute_value(name: &str, reason: Option<&str>) -> AwsError {
    let mut message = format!("Invalid value for the parameter {name}.");
    if let Some(reason) = reason {
        message.push_str(" Reason: ");
        message.push_str(reason);
    }
    AwsError::new(400, "InvalidAttributeValue", message).query("InvalidAttributeValue")
}

/// A queue of that name, but another one.
pub fn name_exists(attribute: &str) -> AwsError {
    AwsError::new(
        400,
        "QueueNameExists",
        format!(
            "A queue already exists with the same name and a different value for attribute {attribute}"
        ),
    )
    .query("QueueAlreadyExists")
}

/// A name that isn't free yet.
pub fn deleted_recently() -> AwsError {
    AwsError::new(
        400,
        "QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )
    .query("AWS.SimpleQueueService.QueueDeletedRecently")
}

/// A second purge within a minute.
pub fn purging(queue: &str) -> AwsError {
    AwsError::new(
        403,
        "PurgeQueueInProgress",
        format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds."),
    )
    .query("AWS.SimpleQueueService.PurgeQueueInProgress")
}

/// A receipt handle that never was one.
pub fn bad_receipt(handle: &str) -> AwsError {
    AwsError::new(
        404,
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
    )
    .query("ReceiptHandleIsInvalid")
}

/// A receipt handle whose time is over, which only FIFO queues mind.
pub fn expired_receipt(handle: &str) -> AwsError {
    invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")
}

/// A batch with nothing in it. `entry` is the entries' shape.
pub fn empty_batch(entry: &str) -> AwsError {
    AwsError::new(
        400,
        "EmptyBatchRequest",
        format!("There should be at least one {entry} in the request."),
    )
    .query("AWS.SimpleQueueService.EmptyBatchRequest")
}

/// A batch of more than ten.
pub fn too_many_entries(sent: usize) -> AwsError {
    AwsError::new(
        400,
        "TooManyEntriesInBatchRequest",
        format!("Maximum number of entries per request are 10. You have sent {sent}."),
    )
    .query("AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
}

/// An entry's id that isn't one.
pub fn bad_entry_id() -> AwsError {
    AwsError::new(
        400,
        "InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
         It can be at most 80 letters long.",
    )
    .query("AWS.SimpleQueueService.InvalidBatchEntryId")
}

/// Two entries of one id.
pub fn repeated_id(id: &str) -> AwsError {
    AwsError::new(
        400,
        "BatchEntryIdsNotDistinct",
        format!("Id {id} repeated."),
    )
    .query("AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
}

/// More bytes in a batch than one message may have.
pub fn batch_too_long(most: usize, sent: usize) -> AwsError {
    AwsError::new(
        400,
        "BatchRequestTooLong",
        format!("Batch requests cannot be longer than {most} bytes. You have sent {sent} bytes."),
    )
    .query("AWS.SimpleQueueService.BatchRequestTooLong")
}

/// What a body can't contain.
pub const BAD_CHARACTERS: &str = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | \
     #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";

/// Characters that XML can't carry.
pub fn bad_contents() -> AwsError {
    AwsError::new(400, "InvalidMessageContents", BAD_CHARACTERS).query("InvalidMessageContents")
}

/// Too much of something [status of the model; the words aren't recorded].
pub fn over_limit(message: impl Into<String>) -> AwsError {
    AwsError::new(403, "OverLimit", message).query("OverLimit")
}

/// A queue or a task that a move task names and that isn't there.
pub fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message).query("ResourceNotFoundException")
}

/// A `QueueUrl` that can't be one.
pub fn bad_address(url: &str) -> AwsError {
    AwsError::new(
        404,
        "InvalidAddress",
        format!("The address {url} is not valid for this endpoint."),
    )
    .query("InvalidAddress")
}

/// A member whose type is wrong.
pub fn not_read(member: &str) -> AwsError {
    AwsError::new(
        400,
        "SerializationException",
        format!("The member {member} can't be read."),
    )
}
