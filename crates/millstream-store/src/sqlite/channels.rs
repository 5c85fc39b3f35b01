//! Where the values of the channels of a checkpoint are: a few bytes for each channel, however long its value is.

use std::sync::Arc;

/// A text up to this length is kept in place: to refer to it would save nothing.
const SHORT: usize = 16;

/// Where the value of a channel is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// Here: it is short.
    Here(Arc<str>),
    /// It is a value of the graph, by its number.
    Value(u32),
    /// It is the first `len` elements of a list.
    List { list: i32, len: u32 },
}

/// Where the values are, by the numbers of the channels, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Places(Vec<(u32, Place)>);

impl Place {
    /// Whether `text` is kept in place.
    pub(super) fn is_short(text: &str) -> bool {
        text.len() <= SHORT
    }
}

impl Places {
    /// Where the value of a channel is.
    pub(super) fn get(&self, channel: u32) -> Option<&Place> {
        let at = self.0.binary_search_by_key(&channel, |(number, _)| *number).ok()?;
        Some(&self.0[at].1)
    }

    /// The value of a channel is somewhere else, or there is none.
    pub(super) fn set(&mut self, channel: u32, place: Option<Place>) {
        match (self.0.binary_search_by_key(&channel, |(number, _)| *number), place) {
            (Ok(at), Some(place)) => self.0[at].1 = place,
            (Ok(at), None) => {
                self.0.remove(at);
            }
            (Err(at), Some(place)) => self.0.insert(at, (channel, place)),
            (Err(_), None) => {}
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Place)> {
        self.0.iter().map(|(channel, place)| (*channel, place))
    }

    /// As bytes: for each channel its number, what kind of place it is, and the place; numbers as in LEB128.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 8);
        for (channel, place) in &self.0 {
            write(&mut bytes, *channel);
            match place {
                Place::Here(text) => {
                    bytes.push(0);
                    write(&mut bytes, text.len() as u32);
                    bytes.extend_from_slice(text.as_bytes());
                }
                Place::Value(number) => {
                    bytes.push(1);
                    write(&mut bytes, *number);
                }
                Place::List { list, len } => {
                    bytes.push(2);
                    write(&mut bytes, *list as u32);
                    write(&mut bytes, *len);
                }
            }
        }
        bytes
    }

    /// Reads what [`Places::to_bytes`] wrote; `None` if it did not write this.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut places = Vec::new();
        while !bytes.is_empty() {
            let channel = read(&mut bytes)?;
            let (kind, rest) = bytes.split_first()?;
            bytes = rest;
            let place = match kind {
                0 => {
                    let len = read(&mut bytes)? as usize;
                    let (text, rest) = bytes.split_at_checked(len)?;
                    bytes = rest;
                    Place::Here(std::str::from_utf8(text).ok()?.into())
                }
                1 => Place::Value(read(&mut bytes)?),
                2 => Place::List { list: i32::try_from(read(&mut bytes)?).ok()?, len: read(&mut bytes)? },
                _ => return None,
            };
            places.push((channel, place));
        }
        places.is_sorted_by(|(one, _), (next, _)| one < next).then_some(Self(places))
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let mut places = Places::default();
        places.set(300, Some(Place::List { list: i32::MAX, len: u32::MAX }));
        places.set(0, Some(Place::Here("\"ü\"".into())));
        places.set(7, Some(Place::Value(127)));
        places.set(8, Some(Place::Value(128)));
        places
    }

    #[test]
    fn bytes_say_what_the_places_are() {
        let places = places();
        assert_eq!(Places::from_bytes(&places.to_bytes()), Some(places));
        assert_eq!(Places::from_bytes(&[]), Some(Places::default()));
    }

    #[test]
    fn a_channel_is_set_and_unset() {
        let mut places = places();
        places.set(7, None);
        places.set(9, None);
        places.set(8, Some(Place::Value(1)));
        assert_eq!(places.get(7), None);
        assert_eq!(places.get(8), Some(&Place::Value(1)));
        assert_eq!(places.iter().map(|(channel, _)| channel).collect::<Vec<_>>(), [0, 8, 300]);
    }

    #[test]
    fn bytes_that_are_cut_or_wrong_are_refused() {
        let bytes = places().to_bytes();
        // Between two channels a cut cannot be seen.
        let whole = (0..bytes.len()).filter(|len| Places::from_bytes(&bytes[..*len]).is_some()).count();
        assert_eq!(whole, 4);
        assert_eq!(Places::from_bytes(&[0, 3, 0]), None);
        assert_eq!(Places::from_bytes(&[0, 1, 5, 0, 1, 5]), None);
        assert_eq!(Places::from_bytes(&[0xff, 0xff, 0xff, 0xff, 0xff, 1]), None);
    }
}
