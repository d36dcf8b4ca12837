use serde_json::json;

use super::machine::Machine;

#[tokio::test]
async fn the_log_of_an_invocation_is_what_it_wrote_between_lambdas_lines() {
    let machine = Machine::new().await;
    let target = machine.python(
        "writes",
        "
def write(event, r):
    print('one', flush=True)
    print('two', file=sys.stderr, flush=True)
    sys.stdout.write('three ä'); sys.stdout.flush()
    return 1
serve(write)",
    );
    for round in 0..3 {
        let invoked = machine.invoke(&target, &json!({})).await.unwrap();
        let lines: Vec<&str> = invoked.log_tail.lines().collect();
        let [start, one, two, three] = lines[..4] else {
            panic!("{lines:?}")
        };
        assert!(start.starts_with("START RequestId: ") && start.ends_with(" Version: $LATEST"));
        assert_eq!([one, two], ["one", "two"]);
        assert!(three.starts_with("three ä"), "{three}");
        assert!(invoked.log_tail.contains("END RequestId: "));
        let report = lines.last().unwrap();
        assert!(report.contains("\tMemory Size: 128 MB\tMax Memory Used: "));
        assert_eq!(report.contains("Init Duration: "), round == 0, "{report}");
    }
}

#[tokio::test]
async fn a_flood_neither_stops_the_function_nor_fills_the_memory() {
    let machine = Machine::new().await;
    let target = machine.python(
        "flood",
        "
def write(event, r):
    for _ in range(400): sys.stdout.write(('x' * 99 + '\\n') * 1000)
    sys.stdout.write('y' * 600000)
    sys.stdout.flush()
    return 1
serve(write)",
    );
    let invoked = machine.invoke(&target, &json!({})).await.unwrap();
    assert_eq!(&invoked.payload[..], b"1");
    assert!(invoked.log_tail.len() <= 4096);
    assert!(invoked.log_tail.contains("REPORT RequestId: "));
}
