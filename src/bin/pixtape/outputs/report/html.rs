//! Shared by all pages: the frame of a self-contained page, escaping, tables, numbers.

use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");
const CHARTS: &str = include_str!("chart.js");
const PAGE: &str = include_str!("page.js");

/// A page that fetches nothing: styles, scripts and `data` (for the charts) are inside it, and a
/// policy makes browsers refuse everything else.
pub(crate) fn page(title: &str, body: &str, data: &Value) -> String {
    let title = escape(title);
    let data = json(data);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data: \
                            file: 'self'; style-src 'unsafe-inline'; script-src \
                            'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light \
                      dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <noscript><p>The curves are drawn by a script in this page, which this browser does not run.</p></noscript>\n\
         <script type=\"application/json\" \
                        id=\"data\">{data}</script>\n<script>\n{CHARTS}</script>\n<script>\n{PAGE}</script>\n</body>\n</html>\n"
    )
}

/// JSON for a script element: nothing in it can end the element or begin a comment.
fn json(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Text as HTML, safe inside quoted attributes too.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Writing to a `String` cannot fail.
pub(crate) fn put(html: &mut String, text: std::fmt::Arguments) {
    let _ = html.write_fmt(text);
}

/// A table of names and values; plain text, escaped here.
pub(crate) fn facts(html: &mut String, facts: &[(String, String)]) {
    html.push_str("<div class=\"table\"><table class=\"facts\">\n");
    for (name, value) in facts {
        put(
            html,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
                escape(name),
                escape(value)
            ),
        );
    }
    html.push_str("</table></div>\n");
}

/// A table with a head; the first column names the rows. Plain text, escaped here.
pub(crate) fn table(html: &mut String, head: &[String], rows: &[Vec<String>]) {
    html.push_str("<div class=\"table\"><table>\n<thead><tr>");
    head.iter().for_each(|cell| put(html, format_args!("<th scope=\"col\">{}</th>", escape(cell))));
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let (open, close) = match at {
                0 if cell.starts_with("--") => ("<th scope=\"row\" class=\"flag\">", "</th>"),
                0 => ("<th scope=\"row\">", "</th>"),
                _ => ("<td>", "</td>"),
            };
            put(html, format_args!("{open}{}{close}", escape(cell)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with four significant digits.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let places = (3 - value.abs().max(1e-3).log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A duration in readable units.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {} s", (s / 60.0) as u64, s as u64 % 60),
        s => format!("{} h {} min", (s / 3600.0) as u64, (s / 60.0) as u64 % 60),
    }
}

/// A JSON value as written on a command line.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::Bool(true) => "on".into(),
        Value::Bool(false) => "off".into(),
        Value::String(text) => text.clone(),
        Value::Number(n) => match n.as_f64() {
            // An f32 in JSON has more digits than were given: 0.02 reads 0.019999999552965164.
            Some(f) if n.is_f64() => format!("{}", f as f32),
            _ => n.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_in_data_or_title_ends_its_element() {
        let evil = "</script><script>alert(1)</script><!--\u{2028}&amp;";
        let html = page(evil, "", &json!({ evil: evil }));
        assert_eq!(html.matches("</script>").count(), 3, "{html}");
        assert!(!html.contains("<script>alert"));
        let inside = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        assert!(!inside.contains(['<', '>', '&', '\u{2028}']), "{inside}");
        assert_eq!(serde_json::from_str::<Value>(inside).unwrap(), json!({ evil: evil }));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let html = page("t", "", &Value::Null)
            .replace("http-equiv", "")
            .replace("http://www.w3.org/2000/svg", "")
            .replace("url(#", "");
        assert!(!html.contains("http") && !html.contains("url(") && !html.contains("@import"));
    }

    #[test]
    fn tables_are_escaped() {
        let (mut html, evil) = (String::new(), "<b>\"'&".to_string());
        facts(&mut html, &[(evil.clone(), evil.clone())]);
        table(&mut html, std::slice::from_ref(&evil), &[vec![evil.clone(), evil.clone()]]);
        assert_eq!(html.matches("&lt;b&gt;&quot;&#39;&amp;").count(), 5);
        assert!(!html.contains("<b>"));
    }

    #[test]
    fn flags_stay_on_one_line() {
        let mut html = String::new();
        table(
            &mut html,
            &["option".into()],
            &[vec!["--max_steps".into(), "--lr".into()], vec!["steps".into(), "3".into()]],
        );
        assert_eq!(html.matches("class=\"flag\"").count(), 1);
        assert!(
            html.contains("<th scope=\"row\" class=\"flag\">--max_steps</th>")
                && STYLE.contains(".flag{white-space:nowrap}"),
            "{html}"
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (grouped(0), grouped(999), grouped(1000), grouped(1234567)),
            ("0".into(), "999".into(), "1,000".into(), "1,234,567".into())
        );
        for (value, text) in [
            (0.0, "0"),
            (0.12345678, "0.1235"),
            (31.256, "31.26"),
            (100.0, "100"),
            (2e-4, "2.00e-4"),
            (0.00123456, "0.001235"),
            (12345.6, "12346"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(
            (duration(12.34), duration(754.0), duration(7325.0)),
            ("12.3 s".into(), "12 min 34 s".into(), "2 h 2 min".into())
        );
        assert_eq!(
            (plain(&json!(0.02f32)), plain(&json!(1)), plain(&json!(null)), plain(&json!("a"))),
            ("0.02".into(), "1".into(), "–".into(), "a".into())
        );
    }
}
