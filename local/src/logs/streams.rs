//! Operations on streams.

use serde_json::{Value, json};

use super::{
    group_arn,
    input::{Members, bad_token, exists, invalid},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloudwatch::page,
    error::Result,
};

/// CreateLogStream.
pub fn create(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let (group, stream) = (members.group()?, members.stream()?);
    let group = call.region.logs.store().group(group)?;
    if group.create_stream(stream, Millis::now())? {
        Ok(json!({}).into())
    } else {
        Err(exists("The specified log stream already exists"))
    }
}

/// DeleteLogStream.
pub fn delete(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let (group, stream) = (members.group()?, members.stream()?);
    call.region
        .logs
        .store()
        .group(group)?
        .delete_stream(stream)?;
    Ok(json!({}).into())
}

/// DescribeLogStreams.
pub fn describe(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let name = members.group_or_identifier(&call.region)?;
    let prefix = members.stream_prefix()?;
    let by_time = members
        .word("orderBy", &["LogStreamName", "LastEventTime"])?
        .is_some_and(|word| word == "LastEventTime");
    if by_time && prefix.is_some() {
        return Err(invalid(
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let descending = members.truth("descending")?.unwrap_or_default();
    let limit = members.limit(50)?;
    let token = members.text("nextToken")?;
    let group = call.region.logs.store().group(&name)?;
    let mut streams: Vec<_> = group
        .streams()
        .into_iter()
        .filter(|stream| prefix.is_none_or(|prefix| stream.name.starts_with(prefix)))
        .collect();
    // A page goes on after the place of the last one's last stream.
    let time = |last: Option<i64>| if by_time { last.unwrap_or(i64::MIN) } else { 0 };
    streams.sort_by_key(|stream| (time(stream.last), stream.name.clone()));
    if descending {
        streams.reverse();
    }
    let (page, next) = if descending {
        page::cut(streams, token, limit, |stream| {
            std::cmp::Reverse((time(stream.last), stream.name.to_string()))
        })
    } else {
        page::cut(streams, token, limit, |stream| {
            (time(stream.last), stream.name.to_string())
        })
    }
    .ok_or_else(bad_token)?;
    let arn = group_arn(&call.region, &name);
    let shown: Vec<Value> = page
        .iter()
        .map(|stream| {
            let mut shown = json!({
                "logStreamName": &*stream.name,
                "creationTime": stream.created.0,
                "arn": format!("{arn}:log-stream:{}", stream.name),
                // AWS doesn't count any more [CloudWatch Logs model, LogStream].
                "storedBytes": 0,
            });
            if let (Some(first), Some(last), Some(ingested)) =
                (stream.first, stream.last, stream.ingested)
            {
                shown["firstEventTimestamp"] = first.into();
                shown["lastEventTimestamp"] = last.into();
                shown["lastIngestionTime"] = ingested.0.into();
                shown["uploadSequenceToken"] = super::write::SEQUENCE_TOKEN.into();
            }
            shown
        })
        .collect();
    let mut answer = json!({ "logStreams": shown });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer.into())
}
