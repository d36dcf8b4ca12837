use serde_json::{Value as Json, json};

use super::*;

fn context() -> Json {
    json!({
        "connectionId": "L0SM9cOFvHcCIhw=",
        "routeKey": "$default",
        "stage": "dev",
        "authorizer": {"principalId": "ada"},
    })
}

fn try_with(template: &str, body: &str) -> Result<String, Fault> {
    let context = context();
    let lookup = |path: &str| {
        let pointer = format!("/{}", path.replace('.', "/"));
        context
            .pointer(&pointer)
            .and_then(Json::as_str)
            .map(str::to_owned)
    };
    Template::parse(template)?.render(Given {
        body,
        context: &lookup,
        stage_variables: &|name| (name == "color").then(|| "blue".to_owned()),
        parameters: &|name| (name == "token").then(|| "t0".to_owned()),
    })
}

fn with(template: &str, body: &str) -> String {
    match try_with(template, body) {
        Ok(text) => text,
        Err(fault) => format!("FAULT {fault}"),
    }
}

fn all(cases: &[(&str, &str)]) {
    let body =
        r#"{"x":{"s":"a&b=c +% ü \"q\" \\ 'a' ~*","n":2},"l":[1,2],"e":"","f":1.5,"z":null}"#;
    for (template, expected) in cases {
        assert_eq!(&with(template, body), expected, "{template}");
    }
}

#[test]
fn the_queue_integrations_template_makes_a_form_that_survives_any_body() {
    let template = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)&MessageAttribute.1.Name=connectionId&MessageAttribute.1.Value.StringValue=$util.urlEncode($context.connectionId)";
    let body = "a&b=c +% ü \"q\" \\ '~*' 😀\n";
    let form = with(template, body);
    let read: std::collections::BTreeMap<_, _> = form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(read["MessageBody"], body);
    assert_eq!(
        read["MessageAttribute.1.Value.StringValue"],
        "L0SM9cOFvHcCIhw="
    );
    assert_eq!(read["Action"], "SendMessage");
}

#[test]
fn references_are_replaced_and_unknown_ones_print_themselves() {
    all(&[
        ("$context.stage&x", "dev&x"),
        ("${context.stage}x", "devx"),
        ("$!context.stage.", "dev."),
        (
            "$nothing ${nothing.at.all} $!nothing|",
            "$nothing ${nothing.at.all} |",
        ),
        (
            "$context.nothing|$stageVariables.color|$stageVariables.no|",
            "|blue||",
        ),
        (
            "$ $$ $1 # #1 {} $context.authorizer.principalId",
            "$ $$ $1 # #1 {} ada",
        ),
        ("$input.params('token')$input.params('no')", "t0"),
        ("[$context.stage]", "[dev]"),
        ("$context.stage[a b]", "dev[a b]"),
        ("${context.stage", "${context.stage"),
    ]);
}

#[test]
fn the_body_is_read_as_json_where_it_is_asked() {
    all(&[
        ("$input.json('$.x.n')", "2"),
        ("$input.json('$.l')$input.json('$.none')", "[1,2]"),
        (
            "$input.path('$.x.n')|$input.path('$.none')|$input.path('$.z')|",
            "2|||",
        ),
        (
            "$input.path('$.l')$input.path('$.x')",
            "[1, 2]{s=a&b=c +% ü \"q\" \\ 'a' ~*, n=2}",
        ),
        (
            "$input.path('$').x.n $input.path('$.l')[1] $input.path('$.l').get(0)",
            "2 2 1",
        ),
        (
            "#set($r = $input.path('$'))$r.f $r.l.size() $r.nope",
            "1.5 2 ",
        ),
    ]);
    assert!(with("$input.json('$')", "no json").contains("isn't JSON"));
    assert_eq!(with("$input.body", "no json"), "no json");
}

#[test]
fn conditions_choose() {
    all(&[
        ("#if($input.path('$.x.n') > 1)big#{else}small#end", "big"),
        (
            "#if($input.path('$.x.n') == 3)a#elseif($input.path('$.x.n') == 2)b#{else}c#end",
            "b",
        ),
        (
            "#if($context.authorizer.principalId && $context.authorizer.principalId != \"\")yes#end",
            "yes",
        ),
        (
            "#if($context.authorizer.other && $context.authorizer.other != \"\")yes#end.",
            ".",
        ),
        (
            "#if($input.path('$.e') == \"\")empty#end#if($input.path('$.none') == '')none#end",
            "emptynone",
        ),
        ("#if(!$nothing)no#end#if(not true || false)x#end", "no"),
        (
            "#if(1 lt 2 and 2 ge 2 and 'a' ne 'b' and 1 eq 1.0)words#end",
            "words",
        ),
        (
            "#if((1 + 2) * 3 == 9 && 7 % 4 == 3 && 7 / 2 == 3 && 1 - 2 == -1)sums#end",
            "sums",
        ),
        ("#if('a' < 1)x#{else}not compared#end", "not compared"),
        ("#if(true)\n  a\n#else\n  b\n#end\nc", "  a\nc"),
        ("#{if}(true)a#{end}b", "ab"),
    ]);
}

#[test]
fn lists_are_gone_through_and_variables_are_set() {
    all(&[
        (
            "#foreach($i in $input.path('$.l'))-$i#if($foreach.hasNext),#end#end",
            "-1,-2",
        ),
        (
            "#foreach($i in [1..3])$foreach.index$foreach.count$velocityCount #end$!i$!foreach",
            "011 122 233 ",
        ),
        ("#foreach($k in $input.path('$.x').keySet())$k #end", "s n "),
        (
            "#foreach($e in {'a': 1, 'b': 2}.entrySet())x#end",
            "FAULT line 1 of the template: #foreach needs `)` before `.entrySet())`",
        ),
        (
            "#set($m = {'a': 1, 'b': 2})#foreach($e in $m.entrySet())$e.key=$e.value;#end",
            "a=1;b=2;",
        ),
        ("#foreach($i in [1..9])#if($i == 3)#break#end$i#end.", "12."),
        ("a#stop b", "a"),
        ("#set($a = 'x')#set($b = \"${a}-$a.length()\")$b", "x-1"),
        (
            "#set($l = [])#set($d = $l.add('a'))$l.add('b')$l",
            "true[a, b]",
        ),
        (
            "#set($m = {})#set($m.a = 1)#set($m['b c'] = 2)#set($d = $m.put('a', 3))$d$m",
            "1{a=3, b c=2}",
        ),
        (
            "#set($m = \"{\"\"x\"\":$input.json('$.x.n')}\")\n$m",
            "{\"x\":2}",
        ),
        ("#set($x = 5)  \nline", "line"),
    ]);
}

#[test]
fn texts_have_javas_methods() {
    all(&[
        (
            "$util.escapeJavaScript($input.path('$.x.s'))",
            r#"a&b=c +% \u00FC \"q\" \\ \'a\' ~*"#,
        ),
        (
            r#"$util.escapeJavaScript("it's").replaceAll("\\'","'")"#,
            "it's",
        ),
        (
            "#set($s = 'Hello')$s.length() $s.toUpperCase() $s.substring(1,3) $s.substring(3) $s.indexOf('l') $s.charAt(0)",
            "5 HELLO el lo 2 H",
        ),
        (
            "#set($s = 'a,b,,')$s.split(',').size() $s.replace(',', ';') $s.contains('b') $s.isEmpty() $s.equals('a') $s.matches('a.*')",
            "2 a;b;; true false false true",
        ),
        (
            "#set($s = 'a1b22')$s.replaceAll('([0-9]+)', '<$1>') $s.replaceFirst('[0-9]', '')",
            "a<1>b<22> ab22",
        ),
        (
            "$util.base64Encode('hä')$util.base64Decode('aMOk') $util.urlDecode('a+b%26')",
            "aMOkhä a b&",
        ),
        ("$util.parseJson('{\"a\":[true]}').a[0]", "true"),
        ("#set($s = '😀x')$s.length()", "3"),
        (
            "$context.stage.toUpperCase()$input.path('$.x.n').toString().length()",
            "DEV1",
        ),
        (
            "$input.path('$.none').isEmpty()$input.path('$.e').length()",
            "true0",
        ),
        ("#set($a = 'x' + 1 + 2)$a", "x12"),
    ]);
}

#[test]
fn escapes_and_comments_are_velocitys() {
    all(&[
        (
            r"\$context.stage \\$context.stage \$nothing \n",
            r"$context.stage \dev \$nothing \n",
        ),
        (r"\#if \#nothing", r"#if \#nothing"),
        ("a## rest\nb#* x\ny *#c", "ab c".replace(' ', "").as_str()),
        ("#[[$context.stage #if]]#", "$context.stage #if"),
        ("#color #endless $5.00", "#color #endless $5.00"),
        ("'it''s' \"$context.stage\"", "'it''s' \"dev\""),
    ]);
}

#[test]
fn what_is_lacking_is_named_with_its_line() {
    let said = |template: &str| try_with(template, "{}").unwrap_err().to_string();
    assert_eq!(
        said("a\n#macro(x)"),
        "line 2 of the template: #macro isn't supported"
    );
    assert_eq!(
        said("a\n\n$util.toJson('x')"),
        "line 3 of the template: toJson with 1 argument isn't supported in $util.toJson('x')"
    );
    assert_eq!(
        said("#if(true) x"),
        "line 1 of the template: #if has no #end"
    );
    assert_eq!(
        said("x #end"),
        "line 1 of the template: #end without a block"
    );
    assert!(said("$util.urlEncode('x").contains("has no end"));
    assert!(said("#set($x = )").contains("a value is missing"));
    assert!(said("#set($input = 1)").contains("can't be set"));
    assert!(said("$input.path('$.a[?(@.b)]')").contains("filters"));
    assert!(said("$util.base64Decode('!')").contains("base64Decode"));
    assert!(said("#set($s = 'abc')$s.substring(9)").contains("beyond"));
}

#[test]
fn no_template_runs_for_ever_or_grows_without_end() {
    let bounded = |template: &str| {
        let fault = try_with(template, "{}").unwrap_err().to_string();
        assert!(
            [
                "steps",
                "grows",
                "makes more",
                "nested",
                "too big",
                "too much"
            ]
            .iter()
            .any(|word| fault.contains(word)),
            "{fault}"
        );
    };
    bounded("#foreach($i in [1..999999999])x#end");
    bounded("#foreach($i in [1..1000])#foreach($j in [1..1000])x#end#end");
    bounded("#set($s = 'xxxxxxxxxx')#foreach($i in [1..60])#set($s = \"$s$s\")#end");
    bounded("#set($s = [1])#foreach($i in [1..60])#set($s = [$s, $s])#end$s");
    bounded("#set($s = [1])#foreach($i in [1..6000])#set($s = [$s])#end$s");
    bounded("#set($s = [1])#foreach($i in [1..6000])#set($d = $s.add($s))#end$s");
    bounded("#set($m = {})#foreach($i in [1..6000])#set($m.x = $m)#end$m");
    bounded("#set($s = [1])#foreach($i in [1..60])#set($d = $s.addAll($s))#end");
    bounded(
        "#set($s = 'aaaaaaaaaaaaaaaaaaaa')#foreach($i in [1..60])#set($s = $s.replaceAll('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'))#end",
    );
    bounded(&"#if(true)".repeat(2_000));
    bounded(&format!("#set($x = {}1)", "(".repeat(2_000)));
    bounded(&format!("#set($x = {}1)", "!".repeat(2_000)));
    bounded(&format!("#set($x = {}1)", "-".repeat(2_000)));
    bounded("#set($x = 99999999999999999999)");
    // A bracket after a reference is text if it isn't an index; read again and again, that mustn't take for ever.
    let _ = try_with(&"$a[".repeat(3_000), "{}");
    let _ = try_with(&"$a.b(".repeat(3_000), "{}");
}

proptest::proptest! {
    #[test]
    fn no_template_and_no_body_make_it_panic(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..24),
        noise in ".{0,12}",
        body in proptest::sample::select(&["", "{}", "[1,2]", "{\"a\":{\"b\":[1]}}", "x&y", "\"😀\""]),
    ) {
        let mut template = pieces.concat();
        let _ = try_with(&template, body);
        template.push_str(&noise);
        let _ = try_with(&template, body);
    }

    #[test]
    fn text_without_signs_is_itself(text in "[^$#\\\\]{0,64}") {
        proptest::prop_assert_eq!(with(&text, ""), text);
    }

    #[test]
    fn what_is_encoded_is_decoded_again(body in proptest::prelude::any::<String>()) {
        proptest::prop_assert_eq!(with("$util.urlDecode($util.urlEncode($input.body))", &body), body.clone());
        proptest::prop_assert_eq!(with("$util.base64Decode($util.base64Encode($input.body))", &body), body);
    }
}

const PIECES: &[&str] = &[
    "$",
    "$a",
    "$!a",
    "${",
    "}",
    "$a.b",
    ".c(",
    ")",
    "(",
    "[",
    "]",
    "[0]",
    "#set(",
    "#set($a = ",
    "=",
    "==",
    "'",
    "\"",
    "''",
    "#if(",
    "#if(true)",
    "#else",
    "#elseif(",
    "#{else}",
    "#end",
    "#foreach($i in ",
    "[1..3]",
    "{'a':1}",
    "#break",
    "#stop",
    "##",
    "#*",
    "*#",
    "\n",
    "\\",
    "\\$",
    "\\#",
    "$input.body",
    "$input.path('$.a')",
    "$input.json('$')",
    "$util.urlEncode(",
    "$context.stage",
    "$a.add($a)",
    ".substring(1,2)",
    ".replaceAll('(', '$9')",
    ".split('')",
    "&&",
    "||",
    "!",
    "-",
    "+ 1",
    "9223372036854775807",
    "/ 0",
    "% 0",
    "é",
    "😀",
    "$foreach.hasNext",
    "$a[",
    "1.5",
    "..",
];
