//! Parts that pages share: images with their headings, charts, figures.

use crate::outputs::report::curves::{self, Charts, Curve, Look};
use crate::outputs::report::folder::Run;
use crate::outputs::report::html::{escape, grouped, number, put};
use crate::outputs::report::pictures::{Embedded, Frame};
use pixtape::train::Description;

/// Headings of the columns of a run's sample grids.
pub(crate) fn grid_columns(run: &Run) -> Vec<&'static str> {
    run.model().columns.iter().map(|column| column.name).collect()
}

pub(crate) fn heads(html: &mut String, columns: &[&str]) {
    let columns: String = columns.iter().map(|name| format!("<span>{name}</span>")).collect();
    put(html, format_args!("<div class=\"heads\" aria-hidden=\"true\">{columns}</div>\n"));
}

pub(crate) fn label(frame: &Frame) -> String {
    match frame.step {
        Some(step) => format!("{}, step {}", frame.label, grouped(step)),
        None => frame.label.clone(),
    }
}

/// Small grids are enlarged without interpolation.
pub(crate) fn shown_width(picture: &Embedded) -> u32 {
    picture.width * (640 / picture.width.max(1)).clamp(1, 4)
}

pub(crate) fn image(html: &mut String, picture: &Embedded, alt: &str) {
    let class = if shown_width(picture) > picture.width { " class=\"pixels\"" } else { "" };
    let (w, h, address) = (picture.width, picture.height, &picture.address);
    put(
        html,
        format_args!(
            "<img{class} width=\"{w}\" height=\"{h}\" decoding=\"async\" alt=\"{}\" \
             src=\"{address}\">",
            escape(alt)
        ),
    );
}

/// The slider and buttons that all curves of a page share.
pub(crate) fn tools(html: &mut String) {
    html.push_str(
        "<div class=\"tools\"><label>Smoothing <input type=\"range\" id=\"smoothing\" min=\"0\" \
         max=\"100\" value=\"35\"> <output id=\"smoothed\" for=\"smoothing\"></output></label>\
         <label><input type=\"checkbox\" id=\"log\"> Logarithmic</label><button type=\"button\" \
                              data-whole disabled>Whole run</button>\
         <span class=\"dim\">Drag across a range to zoom in. Values: smoothed \
         (measured).</span></div>\n",
    );
}

/// A figure for a chart, filled by the page's script.
pub(crate) fn figure(html: &mut String, charts: &mut Charts, curves: &[Curve], look: &Look) {
    let at = charts.add(curves, look);
    let note = if look.note.is_empty() {
        String::new()
    } else {
        format!("<figcaption>{}</figcaption>", escape(&look.note))
    };
    put(
        html,
        format_args!(
            "<figure data-chart=\"{at}\"><h3>{}</h3>{note}<div class=\"plot\"></div></figure>\n",
            escape(&look.title)
        ),
    );
}

/// Draws losses: distances, and the adversarial ones with their level of chance.
pub(crate) fn loss_charts(
    html: &mut String,
    charts: &mut Charts,
    curves: Vec<Curve>,
    model: &Description,
) {
    let (distances, game): (Vec<_>, Vec<_>) =
        curves.into_iter().partition(|c| curves::falls(model, c.name()));
    let labelled = |curves: Vec<Curve>| -> Vec<Curve> {
        curves
            .into_iter()
            .map(|c| {
                let label = curves::loss_title(model, c.name());
                c.named(&label)
            })
            .collect()
    };
    html.push_str("<div class=\"charts\">\n");
    if !distances.is_empty() {
        let title = if model.paired { "Distance from the target" } else { "Cycle consistency" };
        let look = Look {
            title: title.into(),
            note: "Falls as the network learns.".into(),
            loss: true,
            ..Look::default()
        };
        figure(html, charts, &labelled(distances), &look);
    }
    if !game.is_empty() {
        let note = match model.discriminator_chance().and(model.discriminator_least()) {
            Some(least) if least > 0.0 => {
                format!(
                    "They need not fall: training is healthy while neither side wins. At the \
                     dotted lines the discriminator does no better than chance; with smoothed \
                     labels the mean of its losses is {} where it is always right.",
                    number(least)
                )
            }
            Some(_) => {
                "They need not fall: training is healthy while neither side wins. At the dotted \
                 line the discriminator does no better than chance; near 0 it is always right."
                    .into()
            }
            None => "They need not fall: training is healthy while neither side wins.".to_string(),
        };
        let look = Look {
            title: "Adversarial losses".into(),
            note,
            loss: true,
            lines: curves::chance_lines(model),
            ..Look::default()
        };
        figure(html, charts, &labelled(game), &look);
    }
    html.push_str("</div>\n");
}

/// Times of a run, from its log.
pub(crate) struct Speed {
    /// Median seconds per step, which one slow step does not change.
    pub step: f64,
    /// Images per second at that.
    pub images: f64,
    /// Seconds in all steps.
    pub total: f64,
    /// Percentage of them spent waiting for data.
    pub waiting: f64,
}

impl Speed {
    pub fn of(run: &Run) -> Option<Speed> {
        let finite = |name| {
            run.timing
                .column(name)
                .map(|c| c.iter().copied().filter(|v| v.is_finite()).collect::<Vec<f64>>())
        };
        let (mut seconds, waits) = (finite("seconds")?, finite("data_wait")?);
        let total: f64 = seconds.iter().sum();
        seconds.sort_by(f64::total_cmp);
        let step = *seconds.get(seconds.len() / 2)?;
        let batch = run.pictures();
        Some(Speed {
            step,
            images: batch / step,
            total,
            waiting: 100.0 * waits.iter().sum::<f64>() / total,
        })
    }
}

/// Mean of the last twentieth of a column.
pub(crate) fn last_mean(values: &[f64]) -> Option<f64> {
    let part: Vec<f64> = values[values.len() - values.len().div_ceil(20)..]
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    (!part.is_empty()).then(|| part.iter().sum::<f64>() / part.len() as f64)
}
