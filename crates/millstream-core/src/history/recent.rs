//! The end of a conversation.

use crate::message::{Messages, Role};

/// The last turns, of at most `limit` bytes of text. What is too much is left out from the beginning, up to something that a person says.
pub(super) fn recent(messages: Messages, limit: usize) -> Messages {
    let mut bytes = 0;
    let is_too_much = messages.iter().rposition(|message| {
        bytes += message.text().len();
        bytes > limit
    });
    let Some(last_left_out) = is_too_much else { return messages };
    let mut messages = messages.into_vec().split_off(last_left_out + 1);
    let begin = messages.iter().position(|message| message.role == Role::Human).unwrap_or(messages.len());
    messages.drain(..begin);
    messages.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn turns_are_left_out_whole_and_the_oldest_first() {
        let talk = Messages::from([Message::human("1234"), Message::ai("56"), Message::human("78"), Message::ai("90")]);
        let left = |limit| recent(talk.clone(), limit).iter().map(Message::text).collect::<Vec<_>>().concat();
        assert_eq!([left(10), left(9), left(6), left(4)], ["1234567890", "7890", "7890", "7890"]);
        assert_eq!([left(3), left(0)], ["", ""]);
    }
}
