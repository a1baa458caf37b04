//! The macro behind the table: a group of options as a struct, its defaults and its flags.

/// Where a group lies among all options.
pub(super) trait Place<All> {
    fn of(options: &All) -> &Self;
    fn of_mut(options: &mut All) -> &mut Self;
}

macro_rules! places {
    ($($Group:ident: $field:ident),+ $(,)?) => {$(
        impl Place<Options> for $Group {
            fn of(options: &Options) -> &Self {
                &options.$field
            }
            fn of_mut(options: &mut Options) -> &mut Self {
                &mut options.$field
            }
        }
    )+};
}

/// Declares a group of options.
///
/// A row is
///
/// ```text
/// /// What it does: documentation of the field and help of the flag.
/// "name" field: Type = default, CycleGan = default of that model => { property: value };
/// ```
///
/// and all there is to an option besides its use. Properties are the fields of
/// [`Row`](super::Row); `with` adds fields that are groups themselves.
macro_rules! group {
    (
        $(#[$about:meta])*
        $Group:ident ($heading:expr) {
            $(
                $(#[doc = $help:literal])+
                $name:literal $field:ident: $type:ty = $default:expr
                $(, $model:ident = $other:expr)*
                $(=> { $($key:ident: $value:expr),+ $(,)? })?;
            )+
        }
        $(with { $($(#[doc = $of_sub:literal])+ $sub:ident: $Sub:ident),+ $(,)? })?
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Group {
            $($(#[doc = $help])+ pub $field: $type,)+
            $($($(#[doc = $of_sub])+ pub $sub: $Sub,)+)?
        }

        impl $Group {
            /// The defaults of a model.
            pub fn new(model: ModelKind) -> Self {
                $Group {
                    $($field: match model {
                        $(ModelKind::$model => $other,)*
                        _ => $default,
                    },)+
                    $($($sub: $Sub::new(model),)+)?
                }
            }

            pub(super) const FLAGS: &'static [Flag] = &[$(Flag {
                name: $name,
                doc: concat!($($help),+),
                heading: $heading,
                switch: <$type as OptionValue>::SWITCH,
                parse: |word| {
                    let value = <$type as OptionValue>::parse(word)?;
                    Ok((value.number(), Set::new(move |o| <$Group as Place<Options>>::of_mut(o).$field = value.clone())))
                },
                read: |json| {
                    let value = <$type as OptionValue>::from_json(json)?;
                    Ok((value.number(), Set::new(move |o| <$Group as Place<Options>>::of_mut(o).$field = value.clone())))
                },
                write: |o| <$Group as Place<Options>>::of(o).$field.to_json(),
                default: |model| $Group::new(model).$field.word(),
                $($($key: $value,)+)?
                ..Flag::ROW
            }),+];
        }
    };
}

pub(super) use {group, places};
