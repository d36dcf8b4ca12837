//! What holds for whatever comes.

use super::*;

fn object(size: usize) -> Object {
    Object {
        is_marker: false,
        body: Bytes::from(vec![0; size]),
        ..Object::marker()
    }
}

fn bucket(versioning: Option<Versioning>) -> Bucket {
    Bucket {
        region: "us-east-1".into(),
        created: Millis(0),
        versioning,
        access_block: None,
        tags: Vec::new(),
        objects: BTreeMap::new(),
    }
}

proptest! {
    #[test]
    fn what_is_counted_is_what_is_held(
        steps in prop::collection::vec((0_u8..5, "[ab]{1,2}", 0_usize..50), 0..40),
    ) {
        let mut state = State::default();
        state.buckets.insert("b".into(), bucket(None));
        for (step, key, size) in steps {
            let newest = state.buckets["b"].newest(&key).map(|object| object.version.clone());
            match step {
                0 | 1 => { state.put("b", &key, object(size)).unwrap(); }
                2 => { state.delete("b", &key, None).unwrap(); }
                3 => { state.delete("b", &key, newest.as_deref().or(Some("null"))).unwrap(); }
                _ => {
                    let versioning = if size % 2 == 0 { Versioning::Enabled } else { Versioning::Suspended };
                    state.buckets.get_mut("b").unwrap().versioning = Some(versioning);
                }
            }
            let counted = state.weight();
            state.weigh();
            prop_assert_eq!(counted, state.weight());
            prop_assert!(state.buckets["b"].objects.values().all(|versions| !versions.is_empty()));
        }
    }

    #[test]
    fn pages_of_any_size_make_the_same_list(
        keys in prop::collection::btree_set("[ab/é]{1,5}", 0..30),
        prefix in "[ab/]{0,2}",
        delimiter in prop::option::of("[/b]"),
        most in 1_usize..6,
    ) {
        let mut bucket = bucket(None);
        for key in &keys {
            bucket.objects.insert(key.clone(), vec![object(1)]);
        }
        let mut wanted = Wanted { prefix: &prefix, delimiter: delimiter.as_deref(), after: None, most: 1000 };
        let whole = page(&bucket, &wanted);
        prop_assert_eq!(whole.next, None);
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        wanted.most = most;
        loop {
            let part = page(&bucket, &wanted);
            prop_assert!(part.objects.len() + part.prefixes.len() <= most);
            objects.extend(part.objects.iter().map(|(key, _)| *key));
            prefixes.extend(part.prefixes);
            match part.next {
                Some(next) => wanted.after = Some(next),
                None => break,
            }
        }
        let all: Vec<&str> = whole.objects.iter().map(|(key, _)| *key).collect();
        prop_assert_eq!(objects, all);
        prop_assert_eq!(prefixes, whole.prefixes);
    }

    #[test]
    fn any_text_survives_being_written_and_read(text in "[^\r\u{0}\u{fffe}\u{ffff}]{0,40}") {
        let document = xml::document("Root", true, |xml| xml.text("Key", &text));
        let read = xml::read(document.as_bytes(), "Root");
        // References to control characters aren't XML 1.0, though S3 writes them.
        if let Ok(read) = read {
            prop_assert_eq!(read.text("Key"), Some(text.as_str()));
        } else {
            prop_assert!(text.chars().any(char::is_control));
        }
    }

    #[test]
    fn nothing_that_comes_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/a&;! ]{0,40}") {
        let _ = xml::read(&body, "Delete");
        let _ = xml::read(text.as_bytes(), "a");
        let _ = range(Some(&text), 10);
        let _ = parse_date(&text);
    }
}
