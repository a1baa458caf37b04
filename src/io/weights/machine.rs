//! The stack machine that reads a pickle into the tables of [`Pickle`].

use super::pickle::{Global, Pickle, Refusal, Value};
use std::collections::HashMap;

/// The most operations in a pickle. A state dict has some 30 per tensor; the limit bounds the
/// tables of a malicious file.
const MOST_OPERATIONS: usize = 1 << 21;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    made: Pickle<'a>,
    /// Values that calls may still copy. Each value takes at least a byte in the file; only a file
    /// that copies stored values over and over exceeds that.
    copies: usize,
}

/// Reads one pickle from the start of `bytes`: its tables, its value, and its length in bytes.
pub(super) fn read(bytes: &[u8]) -> Refusal<(Pickle<'_>, Value<'_>, usize)> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        made: Pickle::default(),
        copies: bytes.len(),
    };
    for _ in 0..MOST_OPERATIONS {
        if machine.step()? {
            let top = machine.pop()?;
            return Ok((machine.made, top, machine.at));
        }
    }
    Err(format!("its pickle has more than {MOST_OPERATIONS} operations, which no state dict needs"))
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Refusal<&'a [u8]> {
        let end = self
            .at
            .checked_add(count)
            .filter(|&e| e <= self.bytes.len())
            .ok_or("its pickle is cut off")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of up to 8 bytes, without sign.
    fn number(&mut self, bytes: usize) -> Refusal<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn text(&mut self, width: usize) -> Refusal<Value<'a>> {
        let length = usize::try_from(self.number(width)?).map_err(|e| e.to_string())?;
        std::str::from_utf8(self.take(length)?)
            .map(Value::Text)
            .map_err(|_| "a text in its pickle is not UTF-8".into())
    }

    /// A string of Python 2, which may be bytes.
    fn old_text(&mut self, width: usize) -> Refusal<Value<'a>> {
        let length = usize::try_from(self.number(width)?).map_err(|e| e.to_string())?;
        Ok(std::str::from_utf8(self.take(length)?).map_or(Value::Opaque, Value::Text))
    }

    /// Bytes that nothing here needs.
    fn skip(&mut self, width: usize) -> Refusal<()> {
        let length = usize::try_from(self.number(width)?).map_err(|e| e.to_string())?;
        self.take(length)?;
        self.stack.push(Value::Opaque);
        Ok(())
    }

    fn line(&mut self) -> Refusal<&'a str> {
        let rest = &self.bytes[self.at..];
        // Names are short: do not search the whole file for the end of one.
        let length = rest
            .iter()
            .take(256)
            .position(|b| *b == b'\n')
            .ok_or("a name in its pickle has no end")?;
        let line = self.take(length + 1)?;
        std::str::from_utf8(&line[..length]).map_err(|_| "a name in its pickle is not UTF-8".into())
    }

    fn pop(&mut self) -> Refusal<Value<'a>> {
        // An operation on a single value must not pop below the last mark.
        if self.marks.last().is_some_and(|&m| m >= self.stack.len()) {
            return Err("its pickle takes a value that is not there".into());
        }
        self.stack.pop().ok_or_else(|| "its pickle takes a value that is not there".into())
    }

    fn top(&self) -> Refusal<Value<'a>> {
        self.stack.last().copied().ok_or_else(|| "its pickle uses a value that is not there".into())
    }

    /// The values above the last mark.
    fn marked(&mut self) -> Refusal<Vec<Value<'a>>> {
        let mark = self
            .marks
            .pop()
            .filter(|&m| m <= self.stack.len())
            .ok_or("its pickle closes what it has not opened")?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, items: &[Value<'a>]) {
        let start = self.made.tuples.len();
        self.made.tuples.extend_from_slice(items);
        self.stack.push(Value::Tuple { start, count: items.len() });
    }

    fn last(&mut self, count: usize) -> Refusal<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Refusal<Vec<_>>>()?;
        items.reverse();
        self.tuple(&items);
        Ok(())
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Refusal<()> {
        self.made.globals.push(Global::find(module, name)?);
        self.stack.push(Value::Global(self.made.globals.len() - 1));
        Ok(())
    }

    fn append(&mut self, items: &[Value<'a>]) -> Refusal<()> {
        let at = match self.top()? {
            Value::List(at) => at,
            // An object, or a set: what is in it is of no use here.
            Value::Object(_) | Value::Opaque => return Ok(()),
            _ => return Err("its pickle appends to something that is not a list".into()),
        };
        self.made.lists[at].extend_from_slice(items);
        Ok(())
    }

    fn set(&mut self, items: &[Value<'a>]) -> Refusal<()> {
        let at = match (self.top()?, items.len().is_multiple_of(2)) {
            (Value::Dict(at), true) => at,
            (Value::Object(_) | Value::Opaque, true) => return Ok(()),
            _ => {
                return Err("its pickle sets entries of something that is not a dictionary".into());
            }
        };
        self.made.dicts[at].extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn keep(&mut self, at: u64) -> Refusal<()> {
        let value = self.top()?;
        self.memo.insert(at as u32, value);
        Ok(())
    }

    fn recall(&mut self, at: u64) -> Refusal<()> {
        let value = *self
            .memo
            .get(&(at as u32))
            .ok_or("its pickle recalls a value that it has not stored")?;
        self.stack.push(value);
        Ok(())
    }

    /// One operation; true at the end.
    fn step(&mut self) -> Refusal<bool> {
        let code = self.take(1)?[0];
        match code {
            b'.' => return Ok(true),
            0x80 => drop(self.take(1)?),                 // PROTO
            0x95 => drop(self.take(8)?),                 // FRAME
            b'(' => self.marks.push(self.stack.len()),   // MARK
            b'0' => drop(self.pop()?),                   // POP
            b'1' => drop(self.marked()?),                // POP_MARK
            b'2' => self.stack.push(self.top()?),        // DUP
            b'N' => self.stack.push(Value::None),        // NONE
            0x88 | 0x89 => self.stack.push(Value::Bool), // NEWTRUE, NEWFALSE
            0x8f => self.stack.push(Value::Opaque),      // EMPTY_SET
            b'J' => {
                let n = self.number(4)? as u32 as i32; // BININT
                self.stack.push(Value::Int(n.into()));
            }
            b'K' | b'M' => {
                let n = self.number(if code == b'K' { 1 } else { 2 })?; // BININT1, BININT2
                self.stack.push(Value::Int(n as i64));
            }
            0x8a => self.long()?,  // LONG1
            0x8b => self.skip(4)?, // LONG4
            b'G' => {
                self.take(8)?; // BINFLOAT
                self.stack.push(Value::Float);
            }
            b'X' | 0x8c | 0x8d => {
                // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
                let text = self.text(if code == b'X' {
                    4
                } else if code == 0x8c {
                    1
                } else {
                    8
                })?;
                self.stack.push(text);
            }
            b'T' | b'U' => {
                let text = self.old_text(if code == b'T' { 4 } else { 1 })?; // (SHORT_)BINSTRING
                self.stack.push(text);
            }
            b'C' => self.skip(1)?,        // SHORT_BINBYTES
            b'B' => self.skip(4)?,        // BINBYTES
            0x8e | 0x96 => self.skip(8)?, // BINBYTES8, BYTEARRAY8
            b'b' => {
                // BUILD: a state dict's `_metadata`, which does not matter for the weights, or the
                // attributes of an object.
                self.pop()?;
                self.top()?;
            }
            _ => return self.collect(code).map(|()| false),
        }
        Ok(false)
    }

    /// LONG1: a signed number of so many bytes.
    fn long(&mut self) -> Refusal<()> {
        let bytes = self.take(1)?[0];
        if bytes > 8 {
            self.take(bytes.into())?;
            self.stack.push(Value::Opaque);
            return Ok(());
        }
        let n = self.number(bytes.into())?;
        let unused = 64 - 8 * u32::from(bytes);
        self.stack.push(Value::Int(if bytes == 0 { 0 } else { (n << unused) as i64 >> unused }));
        Ok(())
    }

    /// An operation on names, calls, collections or the memo.
    fn collect(&mut self, code: u8) -> Refusal<()> {
        match code {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?); // GLOBAL
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?); // STACK_GLOBAL
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err("a name in its pickle is not text".into());
                };
                self.global(module, name)?;
            }
            b')' => self.tuple(&[]), // EMPTY_TUPLE
            0x85..=0x87 => self.last(usize::from(code) - 0x84)?, // TUPLE1 to TUPLE3
            b't' => {
                let items = self.marked()?; // TUPLE
                self.tuple(&items);
            }
            b']' => {
                self.made.lists.push(Vec::new()); // EMPTY_LIST
                self.stack.push(Value::List(self.made.lists.len() - 1));
            }
            b'a' => {
                let item = self.pop()?; // APPEND
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.marked()?; // APPENDS
                self.append(&items)?;
            }
            b'}' => {
                let dict = self.made.dict(Vec::new()); // EMPTY_DICT
                self.stack.push(dict);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?); // SETITEM
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.marked()?; // SETITEMS
                self.set(&items)?;
            }
            b'q' | b'r' => {
                let at = self.number(if code == b'q' { 1 } else { 4 })?; // BINPUT, LONG_BINPUT
                self.keep(at)?;
            }
            0x94 => self.keep(self.memo.len() as u64)?, // MEMOIZE
            b'h' | b'j' => {
                let at = self.number(if code == b'h' { 1 } else { 4 })?; // BINGET, LONG_BINGET
                self.recall(at)?;
            }
            b'Q' => {
                let id = self.pop()?; // BINPERSID
                let storage = self.made.storage(id)?;
                self.stack.push(storage);
            }
            0x92 => {
                // NEWOBJ_EX: a class, arguments and named arguments.
                let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
                let made = match class {
                    Value::Global(at) => Value::Object(at),
                    _ => Value::Opaque,
                };
                self.stack.push(made);
            }
            0x90 => {
                let items = self.marked()?; // ADDITEMS
                self.append(&items)?;
            }
            0x91 => {
                self.marked()?; // FROZENSET
                self.stack.push(Value::Opaque);
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?); // REDUCE, NEWOBJ
                let copied = self.made.copied(arguments);
                self.copies = self
                    .copies
                    .checked_sub(copied)
                    .ok_or("its pickle copies more values than it has")?;
                let made = self.made.call(function, arguments)?;
                self.stack.push(made);
            }
            _ => {
                return Err(format!(
                    "its pickle has the operation 0x{code:02x}, which torch.save does not write; \
                     save net.state_dict() in Python and import that"
                ));
            }
        }
        Ok(())
    }
}
