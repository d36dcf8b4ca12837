//! Nothing outlives a test, and what tests share is made once.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Emulator, MinistackOptions, ensure_in, wait_for};

const BOUND: Duration = Duration::from_secs(20);
const PID_FILE: &str = "WSLESS_SELFTEST_PID_FILE";

/// A process and all that descend from it, by /proc.
fn family(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, parent(pid)?))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == found[next]);
        found.extend(children.map(|(pid, _)| *pid).collect::<Vec<_>>());
        next += 1;
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_stopped_ministack_leaves_no_process_and_no_port() {
    let mut ministack = Emulator::ministack(MinistackOptions::default());
    let processes = family(ministack.guard_pid());
    assert!(processes.len() >= 2, "a guard and ministack: {processes:?}");

    ministack.stop();

    let left: Vec<_> = processes.into_iter().filter(|pid| is_alive(*pid)).collect();
    assert!(left.is_empty(), "still there: {left:?}");
    std::net::TcpListener::bind(("127.0.0.1", ministack.port())).expect("the port is free");
}

#[test]
fn a_killed_test_takes_its_ministack_along() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "harness_selftest::processes::starts_ministack_and_waits_to_be_killed",
        ])
        .env(PID_FILE, &pid_file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let guard: u32 = wait_for("the other test's ministack", 3 * BOUND, || {
        fs::read_to_string(&pid_file).ok()?.parse().ok()
    });
    let processes = family(guard);
    assert!(processes.len() >= 2, "a guard and ministack: {processes:?}");

    test.kill().unwrap();
    test.wait().unwrap();

    wait_for("its processes to end", BOUND, || {
        processes.iter().all(|pid| !is_alive(*pid)).then_some(())
    });
}

#[test]
#[ignore = "started by a_killed_test_takes_its_ministack_along, and killed by it"]
fn starts_ministack_and_waits_to_be_killed() {
    let Some(file) = std::env::var_os(PID_FILE) else {
        return;
    };
    let ministack = Emulator::ministack(MinistackOptions::default());
    let partial = Path::new(&file).with_extension("partial");
    fs::write(&partial, ministack.guard_pid().to_string()).unwrap();
    fs::rename(&partial, &file).unwrap();
    std::thread::sleep(Duration::from_mins(2));
}

#[test]
fn a_half_made_shared_folder_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("venv");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("half"), "").unwrap();

    ensure_in(&dir, "a==1", |dir| fs::create_dir(dir).unwrap());

    assert!(!dir.join("half").exists());
    ensure_in(&dir, "a==1", |_| panic!("it's whole"));
    let mut made_again = false;
    ensure_in(&dir, "a==2", |dir| {
        made_again = true;
        fs::create_dir(dir).unwrap();
    });
    assert!(made_again, "other requirements need another folder");
}

#[test]
fn a_shared_folder_is_made_by_one_while_others_wait() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("venv");
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                ensure_in(&dir, "a==1", |dir| {
                    made.fetch_add(1, Ordering::SeqCst);
                    fs::create_dir(dir).unwrap();
                });
                assert!(dir.join("made-for").exists());
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
}
