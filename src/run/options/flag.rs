//! One option as the table declares it, and the value that a source gives it.

use super::choice::ModelKind;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// One option of `All`: its name, what it means, and where it belongs. A row of the table.
pub struct Row<All> {
    /// The name as it is written: `lambda_L1`.
    pub name: &'static str,
    /// Help text as the lines of the field's documentation.
    pub(super) doc: &'static str,
    /// Heading under which help lists it.
    pub heading: Option<&'static str>,
    /// What help shows in place of a value; the upper-case name where there is none.
    pub value_name: Option<&'static str>,
    /// Whether it is given without a value.
    pub switch: bool,
    /// The switch that says the contrary.
    pub opposite: Option<Opposite>,
    /// What becomes of its value after the start.
    pub kept: Kept,
    /// Other names that it is known by.
    pub aliases: &'static [&'static str],
    /// Models that it belongs to; all where the list is empty.
    pub models: &'static [ModelKind],
    /// Whether runs of other models write it down too: see [`ModelKind::writes_all_options`].
    pub(super) everywhere: bool,
    /// What it has to do with a single training step.
    pub step: Step,
    /// Left out of help.
    pub hidden: bool,
    /// Its value may begin with a minus sign.
    pub negative: bool,
    /// Only the data give it a value: there is no such flag on the command line.
    pub inferred: bool,
    /// Numbers that it takes.
    pub(super) range: Range,
    /// What a run meant whose options do not have it yet, as a word; the default where there is
    /// none.
    pub(super) older: Option<&'static str>,
    /// Options of a run that lack it cannot be read.
    pub(super) required: bool,
    /// Not written down while it has no value.
    pub(super) sparse: bool,
    /// Not part of what the files of a run say of themselves: it does not change what they are good
    /// for.
    pub(super) incidental: bool,
    pub(super) parse: fn(&str) -> Result<Read<All>, String>,
    pub(super) read: fn(&Value) -> Result<Read<All>, String>,
    pub(super) write: fn(&All) -> Value,
    pub(super) default: fn(ModelKind) -> Option<String>,
}

/// A value as it was read: the number that a range is about, and how it gets into its place.
pub(super) type Read<All> = (Option<f64>, Set<All>);

/// The contrary of a switch, `--dropout` of `--no_dropout`.
#[derive(Clone, Copy, Debug)]
pub struct Opposite {
    /// Its name.
    pub name: &'static str,
    /// Its help.
    pub help: &'static str,
}

/// What becomes of an option's value after the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It is written down, and a resumed run inherits it.
    Run,
    /// It is written down, and not inherited: where a run is kept, how far it is to go.
    Written,
    /// It holds for this start only.
    Start,
}

/// What an option has to do with a single training step, for those who measure one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It decides how large the step is.
    Size,
    /// It is part of it.
    Part,
    /// Nothing.
    Apart,
}

/// Numbers that an option takes; its type refuses others.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Range {
    Any,
    Between(f64, f64),
    AtLeast(f64),
    Above(f64),
    /// The upper end is not in it.
    HalfOpen(f64, f64),
}

impl Range {
    fn check(self, number: Option<f64>) -> Result<(), String> {
        let Some(number) = number else { return Ok(()) };
        let (fits, range) = match self {
            _ if !number.is_finite() => (false, "expected a finite number".into()),
            Range::Any => return Ok(()),
            Range::Between(low, high) => {
                ((low..=high).contains(&number), format!("expected a number from {low} to {high}"))
            }
            Range::AtLeast(low) => (number >= low, format!("expected at least {low}")),
            Range::Above(low) => (number > low, format!("expected a number above {low}")),
            Range::HalfOpen(low, high) => (
                (low..high).contains(&number),
                format!("expected a number from {low} to below {high}"),
            ),
        };
        if fits { Ok(()) } else { Err(range) }
    }
}

/// A parsed value, ready to be put into its place among all options.
#[derive(Clone)]
pub struct Set<All>(Arc<dyn Fn(&mut All) + Send + Sync>);

impl<All> Set<All> {
    pub(super) fn new(set: impl Fn(&mut All) + Send + Sync + 'static) -> Set<All> {
        Set(Arc::new(set))
    }

    /// Puts the value in its place.
    pub fn apply(&self, options: &mut All) {
        (self.0)(options)
    }
}

impl<All> fmt::Debug for Set<All> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Set")
    }
}

impl<All> fmt::Debug for Row<All> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}", self.name)
    }
}

impl<All> PartialEq for Row<All> {
    /// Names are unique.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<All> Row<All> {
    /// What a row of the table has unless it says otherwise.
    pub(super) const ROW: Row<All> = Row {
        name: "",
        doc: "",
        heading: None,
        value_name: None,
        switch: false,
        opposite: None,
        kept: Kept::Run,
        aliases: &[],
        models: &[],
        everywhere: true,
        step: Step::Part,
        hidden: false,
        negative: false,
        inferred: false,
        range: Range::Any,
        older: None,
        required: false,
        sparse: false,
        incidental: false,
        parse: |_| Err(String::new()),
        read: |_| Err(String::new()),
        write: |_| Value::Null,
        default: |_| None,
    };

    /// What it does, in a sentence or two.
    pub fn help(&self) -> String {
        let text = self.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        text.trim_end_matches('.').into()
    }

    /// The default of a model, as it would be written on the command line; none for a switch, and
    /// for what has no value unless it is given.
    pub fn default(&self, model: ModelKind) -> Option<String> {
        (self.default)(model).filter(|_| !self.switch)
    }

    /// Reads a word of the command line.
    ///
    /// # Errors
    /// What is wrong with it, without the flag's name.
    pub fn parse(&self, word: &str) -> Result<Set<All>, String> {
        let (number, set) = (self.parse)(word)?;
        self.range.check(number).map(|()| set)
    }

    /// Reads what stands in options.json.
    pub(super) fn read(&self, value: &Value) -> Result<Set<All>, String> {
        let (number, set) = (self.read)(value)?;
        self.range.check(number).map(|()| set)
    }

    /// Whether a run of a model writes it down.
    pub(super) fn is_written_by(&self, model: ModelKind) -> bool {
        self.is_of(model) || (self.everywhere && model.writes_all_options())
    }

    /// Whether a model has it.
    pub fn is_of(&self, model: ModelKind) -> bool {
        self.models.is_empty() || self.models.contains(&model)
    }
}
