//! Templates: braces, Jinja and Mustache, and how values look in them.

use millstream_core::{Prompt, TemplateFormat, TextPrompt, Vars, vars};
use proptest::prelude::*;
use serde_json::json;

fn render(format: TemplateFormat, template: &str, vars: &Vars) -> Result<String, String> {
    let prompt = TextPrompt::written_in(format).text(template);
    prompt.format(vars).map_err(|error| format!("{}: {error}", error.code()))
}

fn braces(template: &str, vars: &Vars) -> Result<String, String> {
    render(TemplateFormat::Braces, template, vars)
}

fn mustache(template: &str, vars: &Vars) -> Result<String, String> {
    render(TemplateFormat::Mustache, template, vars)
}

#[test]
fn braces_stand_for_variables_and_double_braces_for_braces() {
    let vars = vars! { a: "1", b: 2, c: "{a}" };
    assert_eq!(braces("x {a} {{a}} {b} {c}}}", &vars).unwrap(), "x 1 {a} 2 {a}}");
}

#[test]
fn a_missing_variable_is_named_with_what_was_given() {
    let error = braces("{topic}", &vars! { topci: "x", kind: "y" }).unwrap_err();
    assert_eq!(
        error,
        "missing_variable: the prompt needs the variable \"topic\", which was not given (given: kind, topci)"
    );
}

#[test]
fn a_broken_template_says_what_to_write() {
    for (broken, problem) in [
        ("{", "not closed"),
        ("a } b", "stands alone"),
        ("{a b}", "not a variable"),
        ("{}", "not a variable"),
        ("{0}", "not a variable"),
        ("{a", "not closed"),
        ("{a!x}", "!s, !r or !a"),
        ("{a.b}", "looks into a variable"),
        ("{a[0]}", "looks into a variable"),
        ("{a:{b}}", "cannot be a variable itself"),
        ("{a:q}", "not a format of Python's"),
    ] {
        let error = braces(broken, &vars! { a: 1, b: 2 }).unwrap_err();
        assert!(error.starts_with("bad_template") && error.contains(problem), "{broken}: {error}");
    }
}

#[test]
fn values_look_as_python_shows_them_in_every_format() {
    let vars = vars! { x: json!({ "yes": true, "no": null, "list": ["it's", 1, 1.0, 1e16] }) };
    let expected = r#"{'list': ["it's", 1, 1.0, 1e+16], 'no': None, 'yes': True}"#;
    assert_eq!(braces("{x}", &vars).unwrap(), expected);
    assert_eq!(render(TemplateFormat::Jinja, "{{ x }}", &vars).unwrap(), expected);
    assert_eq!(mustache("{{{x}}}", &vars).unwrap(), expected);
}

#[test]
fn formats_and_conversions_are_pythons() {
    let vars = vars! { price: 1234.5, name: "Zoë", count: 3, nothing: json!(null) };
    for (template, expected) in [
        ("{price:.2f}", "1234.50"),
        ("{price:>10,.1f}|", "   1,234.5|"),
        ("{count:03}", "003"),
        ("{name!r:>7}", "  'Zoë'"),
        ("{name!a}", r"'Zo\xeb'"),
        ("{nothing!s:<5}|", "None |"),
        ("{ name }", "Zoë"),
    ] {
        assert_eq!(braces(template, &vars).unwrap(), expected, "{template}");
    }
}

#[test]
fn a_value_that_does_not_have_the_format_is_named() {
    let error = braces("{name:.2f}", &vars! { name: "Ada" }).unwrap_err();
    assert_eq!(
        error,
        "invalid_input: the variable \"name\" does not have its format: a text cannot be formatted as a number"
    );
}

#[test]
fn jinja_has_conditions_and_names_what_is_missing() {
    let template = "{% if name is defined %}Hi {{ name }}{% endif %}{{ topic }}\n";
    assert_eq!(render(TemplateFormat::Jinja, template, &vars! { topic: "!" }).unwrap(), "!");
    let error = render(TemplateFormat::Jinja, template, &vars! { name: "Ada" }).unwrap_err();
    assert!(error.starts_with("missing_variable") && error.contains("\"topic\"") && error.contains("(given: name)"));
    let error = render(TemplateFormat::Jinja, "{% if %}", &Vars::new()).unwrap_err();
    assert!(error.starts_with("bad_template"), "{error}");
    assert_eq!(
        render(TemplateFormat::Jinja, "{{ 'a' if false }}{{ 1.0 }}{{ true }}", &Vars::new()).unwrap(),
        "1.0True"
    );
}

#[test]
fn jinjas_own_functions_need_not_be_given() {
    let prompt = Prompt::jinja().human("{% for i in range(2) %}{{ i }}{{ x }}{% endfor %}");
    assert_eq!(prompt.input_variables(), ["x"]);
    assert_eq!(prompt.format(&vars! { x: "a" }).unwrap()[0].text(), "0a1a");
}

#[test]
fn mustache_inserts_values() {
    let vars = vars! { name: "<\"A&B\">", user: json!({ "name": "Ada", "langs": ["en", "fr"] }), zero: 0, no: false, nothing: json!(null) };
    for (template, expected) in [
        ("{{name}}", "&lt;&quot;A&amp;B&quot;&gt;"),
        ("{{{name}}} {{& name }}", "<\"A&B\"> <\"A&B\">"),
        ("{{user.name}} {{user.langs.1}}", "Ada fr"),
        ("{{user.age}}|{{user.langs.7}}|{{nothing}}|", "|||"),
        ("{{zero}} {{no}}", "0 False"),
        ("{literal} {{! a note }}{{=<% %>=}}<%user.name%> {{name}}", "{literal} Ada {{name}}"),
    ] {
        assert_eq!(mustache(template, &vars).unwrap(), expected, "{template}");
    }
}

#[test]
fn mustache_sections_repeat_choose_and_look_around() {
    let vars = vars! {
        people: json!([{ "name": "Ada", "age": 36 }, { "name": "Bob" }]), words: json!(["a", "b", ""]), none: json!([]),
        user: json!({ "city": "Paris" }), yes: true, no: false, age: "?", nested: json!([[1, 2], [3]])
    };
    for (template, expected) in [
        ("{{#people}}{{name}} {{age}};{{/people}}", "Ada 36;Bob ?;"),
        ("{{#words}}<{{.}}>{{/words}}", "<a><b>"),
        ("{{#nested}}[{{#.}}{{.}}{{/.}}]{{/nested}}", "[12][3]"),
        ("{{#user}}{{city}}{{/user}}", "Paris"),
        ("{{#yes}}on{{/yes}}{{#no}}off{{/no}}", "on"),
        ("{{^none}}nobody{{/none}}{{^yes}}x{{/yes}}{{^no}}y{{/no}}", "nobodyy"),
        ("{{#user.city}}in {{.}}{{/user.city}}", "in Paris"),
        ("{{#no}}{{#people}}{{name}}{{/people}}{{/no}}", ""),
    ] {
        assert_eq!(mustache(template, &vars).unwrap(), expected, "{template}");
    }
}

#[test]
fn mustache_tags_that_are_alone_on_a_line_take_the_line_with_them() {
    let vars = vars! { people: json!([{ "name": "Ada" }, { "name": "Bob" }]) };
    let template = "People:\n  {{#people}}\n- {{name}}\n  {{/people}}\n{{! done }}\nEnd {{#people}}.{{/people}}\n";
    assert_eq!(mustache(template, &vars).unwrap(), "People:\n- Ada\n- Bob\nEnd ..\n");
}

#[test]
fn mustache_variables_outside_of_sections_must_be_given() {
    let error = mustache("Hi {{name}}", &vars! { nam: "Ada" }).unwrap_err();
    assert!(error.starts_with("missing_variable") && error.contains("\"name\""), "{error}");
    let prompt = Prompt::mustache().human("{{a.b}} {{#c}}{{d}}{{/c}}{{^e}}x{{/e}}{{.}}");
    assert_eq!(prompt.input_variables(), ["a", "c", "e"]);
}

#[test]
fn a_broken_mustache_says_where() {
    for (broken, problem) in [
        ("a\n{{b", "the tag in line 2 is not closed"),
        ("\n{{#a}}", "the section \"a\" of line 2 is not closed"),
        ("{{/a}}", "{{/a}} in line 1 closes a section that is not open"),
        ("{{#a}}\n{{/b}}", "{{/b}} in line 2 comes before \"a\" is closed, of line 1"),
        ("{{}}", "the tag in line 1 has no name"),
        ("{{{a}}", "{{{ in line 1 is not closed with }}}"),
        ("{{> other}}", "there are no other templates"),
        ("{{=x}}", "new marks are written"),
    ] {
        let error = mustache(broken, &vars! { a: 1, b: 1 }).unwrap_err();
        assert!(error.starts_with("bad_template") && error.contains(problem), "{broken}: {error}");
    }
    let deep = "{{#a}}".repeat(10_000);
    assert!(mustache(&deep, &Vars::new()).unwrap_err().contains("sections are open"));
}

proptest! {
    #[test]
    fn doubled_braces_give_the_text_back(text in "[^\u{0}]{0,40}") {
        let template = text.replace('{', "{{").replace('}', "}}");
        prop_assert_eq!(braces(&template, &Vars::new()).unwrap(), text);
    }

    #[test]
    fn a_value_is_never_read_as_a_template(value in "[{}#^/!%a ]{0,20}") {
        prop_assert_eq!(&braces("{x}", &vars! { x: value.clone() }).unwrap(), &value);
        prop_assert_eq!(&render(TemplateFormat::Jinja, "{{ x }}", &vars! { x: value.clone() }).unwrap(), &value);
        prop_assert_eq!(mustache("{{{x}}}", &vars! { x: value.clone() }).unwrap(), value);
    }

    #[test]
    fn any_template_is_read_or_refused(template in "[{}#^/=!:.a\n 0f]{0,30}") {
        let vars = vars! { a: 1.5, f: "x" };
        for format in [TemplateFormat::Braces, TemplateFormat::Jinja, TemplateFormat::Mustache] {
            let _ = render(format, &template, &vars);
        }
    }

    #[test]
    fn a_number_is_shown_so_that_it_can_be_read_again(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let shown = braces("{x}", &vars! { x: number }).unwrap();
        prop_assert_eq!(shown.parse::<f64>().unwrap(), number);
        prop_assert!(shown.contains(['.', 'e']), "{}", shown);
    }

    #[test]
    fn a_width_is_filled_and_never_cut(number in any::<i64>(), width in 0_usize..60, align in "[<>^=]") {
        let shown = braces(&format!("{{x:{align}{width},}}"), &vars! { x: number }).unwrap();
        prop_assert_eq!(shown.replace([',', ' '], "").parse::<i64>().unwrap(), number);
        prop_assert!(shown.len() >= width);
    }
}
