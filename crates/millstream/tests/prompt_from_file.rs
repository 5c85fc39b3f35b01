//! Prompts that are files.

use millstream::{Vars, prompt_from_file};

#[test]
fn a_file_is_a_prompt_and_its_mistakes_have_its_name() {
    let folder = std::env::temp_dir().join(format!("millstream-prompts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let good = folder.join("good.toml");
    std::fs::write(&good, "messages = ['Hello']").unwrap();
    assert_eq!(prompt_from_file(&good).unwrap().format(&Vars::new()).unwrap()[0].text(), "Hello");

    let bad = folder.join("bad.json");
    std::fs::write(&bad, "{\n\"messages\": 5}").unwrap();
    let error = prompt_from_file(&bad).unwrap_err();
    assert_eq!(error.code(), "bad_template");
    assert!(error.to_string().contains("bad.json: line 2, messages: this must be a list"), "{error}");

    let error = prompt_from_file(folder.join("absent.toml")).unwrap_err();
    assert_eq!(error.code(), "invalid_input");
    assert!(error.to_string().contains("absent.toml cannot be read"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}
