//! Planes as inputs: `prepare joints` and `words`, and a training that reads what they write.

use super::program::*;
use super::{names, prepare, save};
use pixtape::io::{AnyPicture, Picture};
use std::path::Path;

const TITLE: &str = "name:keypoints_y:keypoints_x";

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn planes(path: &Path) -> Picture {
    match AnyPicture::load(path).unwrap() {
        AnyPicture::U8(picture) => picture,
        other => panic!("{:?}", other.size()),
    }
}

/// Planes of Gaussians around `people`'s joints, from the definition.
fn spots(size: [u32; 2], sigma: f64, people: &[&[Option<[f64; 2]>]]) -> Picture {
    let [width, height] = size;
    let mut data = Vec::new();
    for at in 0..width * height {
        let [px, py] = [at % width, at / width].map(f64::from);
        for joint in 0..people[0].len() {
            let value = |place: [f64; 2]| {
                let squared = (px - place[0]).powi(2) + (py - place[1]).powi(2);
                255.0 * (-squared / (2.0 * sigma * sigma)).exp()
            };
            let values = people.iter().filter_map(|person| person[joint]).map(value);
            data.push(values.fold(0.0, f64::max).round() as u8);
        }
    }
    Picture::new(width, height, people[0].len() as u32, data).unwrap()
}

/// Checks ROOT/trainA and ROOT/trainB as a training would read them, trains for two steps, and
/// translates the planes.
fn trains(root: &Path, channels: u32, more: &[&str]) {
    let said = ok(pixtape(&["prepare", "check", "--input", text(root)]));
    for part in ["no misfits", "2 pairs by name", &format!("{channels} channel(s)")] {
        assert!(said.contains(part), "{part}: {said}");
    }
    if !adapter() {
        return;
    }
    let (runs, made, input) = (root.join("runs"), root.join("made"), root.join("trainA"));
    let run = runs.join("small");
    let epochs = ["--n_epochs", "1", "--n_epochs_decay", "0"];
    ok(train(root, &runs, "small", &[&epochs, more].concat()));
    let words = ["--checkpoint", text(&run), "--input", text(&input), "--output", text(&made)];
    ok(pixtape(&[&["translate"], &words[..]].concat()));
    assert_eq!(names(&made).len(), 2);
}

#[test]
fn joints_of_pose_transfer_are_planes_that_train() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    save(&path("poses/trainB/a.b.png"), &picture(24, 32, 1));
    save(&path("poses/trainB/women/c.png"), &picture(24, 36, 2));
    // 18 joints as in the files that are given away, y first; names are those of JPEGs.
    let [mut y, mut x] = [[-1i32; 18]; 2];
    (y[0], x[0], y[17], x[17]) = (30, 4, 9, 20);
    let row = |name: &str, y: &[i32], x: &[i32]| format!("{name}: {y:?}: {x:?}\n");
    let rows = [row("a.b.jpg", &y, &x), row("women/c.jpg", &[-1; 18], &[-1; 18])].concat();
    write(&path("joints.csv"), &format!("{TITLE}\r\n{}", rows.replace('\n', "\r\n")));
    let (images, to) = (path("poses/trainB"), path("poses/trainA"));
    let run = |more: &[&str]| {
        prepare("joints", &path("joints.csv"), &to, &[&["--images", text(&images)], more].concat())
    };
    let output = run(&["--sigma", "2"]);
    assert!(errors(&output).contains("1 image(s) have no joint at all: women/c.jpg"));
    let said = ok(output);
    assert!(said.contains("2 files from 2 jobs") && said.contains("18 planes in each"), "{said}");
    assert_eq!(names(&to), ["a.b.npy", "women/c.npy"]);
    let mut person = [None; 18];
    (person[0], person[17]) = (Some([4.0, 30.0]), Some([20.0, 9.0]));
    assert_eq!(planes(&to.join("a.b.npy")), spots([24, 32], 2.0, &[&person]));
    assert_eq!(planes(&to.join("women/c.npy")), spots([24, 36], 2.0, &[&[None; 18]]));
    refused(&run(&[]), &["2 file(s) exist already", "--overwrite"]);
    ok(run(&["--overwrite"]));
    // Without the flag as wide as six pixels are of 256.
    assert_eq!(planes(&to.join("a.b.npy")), spots([24, 32], 0.75, &[&person]));
    trains(&path("poses"), 18, &["--no_flip"]);
    // An image more than there are joints: said, not refused.
    save(&images.join("more.png"), &picture(24, 32, 3));
    let output = run(&["--overwrite"]);
    assert!(errors(&output).contains("1 image(s) without joints: more"), "{}", errors(&output));
    ok(output);
}

/// COCO's annotations of people with 17 joints, of which the first and the last are given.
fn annotation(image: u32, first: [u32; 3], last: [u32; 3]) -> String {
    let numbers = [&first[..], &[0; 45], &last[..]].concat();
    let seen = [first, last].iter().filter(|joint| joint[2] > 0).count();
    format!("{{\"image_id\": {image}, \"num_keypoints\": {seen}, \"keypoints\": {numbers:?}}}")
}

fn coco(annotations: &[String]) -> String {
    let image = |id: u32, name: &str, width: u32| {
        format!("{{\"id\": {id}, \"file_name\": \"{name}\", \"width\": {width}, \"height\": 12}}")
    };
    let images = [image(7, "a.jpg", 20), image(9, "b.jpg", 16), image(11, "empty.jpg", 16)];
    let (images, annotations) = (images.join(", "), annotations.join(", "));
    format!("{{\"info\": {{}}, \"images\": [{images}], \"annotations\": [{annotations}]}}")
}

#[test]
fn joints_of_coco_take_all_people_and_the_sizes_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let people = [
        annotation(9, [3, 4, 2], [0, 0, 0]),
        annotation(7, [2, 5, 1], [10, 6, 2]),
        annotation(7, [6, 5, 2], [9, 9, 0]),
        // A crowd that nobody is labelled in, and what is no person.
        annotation(11, [0; 3], [0; 3]),
        "{\"image_id\": 7, \"bbox\": [1, 2, 3, 4]}".into(),
    ];
    write(&path("people.json"), &coco(&people));
    let output = prepare("joints", &path("people.json"), &path("out"), &["--sigma", "1.5"]);
    assert!(errors(&output).contains("1 of 3 images have no joints"), "{}", errors(&output));
    assert!(ok(output).contains("17 planes in each"));
    assert_eq!(names(&path("out")), ["a.npy", "b.npy"]);
    let person = |first, last| {
        let mut joints = [None; 17];
        (joints[0], joints[16]) = (first, last);
        joints
    };
    let two = [person(Some([2.0, 5.0]), Some([10.0, 6.0])), person(Some([6.0, 5.0]), None)];
    let [a, b] = ["a", "b"].map(|name| planes(&path("out").join(format!("{name}.npy"))));
    assert_eq!(a, spots([20, 12], 1.5, &[&two[0], &two[1]]));
    assert_eq!(b, spots([16, 12], 1.5, &[&person(Some([3.0, 4.0]), None)]));
    // The images are compared.
    let photos = path("photos");
    save(&path("photos/a.png"), &picture(20, 12, 1));
    save(&path("photos/b.png"), &picture(16, 13, 1));
    let run = |out: &str| {
        let more = ["--images", text(&photos), "--sigma", "1.5"];
        prepare("joints", &path("people.json"), &path(out), &more)
    };
    refused(&run("other"), &["b.png", "is 16x13, and 16x12 in", "as they were annotated"]);
    save(&path("photos/b.png"), &picture(16, 12, 1));
    ok(run("third"));
    assert_eq!(planes(&path("third/a.npy")), a);
}

#[test]
fn joints_that_do_not_fit_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    save(&path("images/a.png"), &picture(16, 12, 1));
    save(&path("images/b.png"), &picture(16, 12, 2));
    let images = path("images");
    let run = |content: &str, more: &[&str]| {
        write(&path("joints"), content);
        prepare("joints", &path("joints"), &path("out"), more)
    };
    let with_images = ["--images", text(&images)];
    for (rows, parts) in [
        (
            "a.jpg: [1, 2]: [3, 4]\n\nb.jpg: [1, 2, 3]: [3, 4, 5]",
            &["line 4", "3 joints, and 2 in line 2"][..],
        ),
        ("a.jpg: [1, 2]: [3]", &["line 2", "2 numbers in keypoints_y and 1 in keypoints_x"]),
        ("a.jpg: [1, 2]: 3, 4", &["line 2", "keypoints_x is no list of numbers"]),
        ("a.jpg; [1]; [2]", &["line 2", "1 column(s)", TITLE]),
        ("a.jpg: [1]: [2]\na.jpg: [1]: [2]", &["line 3", "in line 2 too"]),
        ("a.jpg: [1]: [2]\nc.jpg: [1]: [2]", &["1 image(s) that are not in", "c.jpg", "put them"]),
        ("../a.jpg: [1]: [2]", &["line 2", "below a folder"]),
        ("a.jpg: []: []", &["has 0 joints"]),
        ("", &["no line under its title"]),
    ] {
        refused(&run(&format!("{TITLE}\n{rows}"), &with_images), parts);
    }
    let row = format!("{TITLE}\na.jpg: [1]: [2]\n");
    refused(&run(&row, &[]), &["no sizes", "--images"]);
    refused(&run(&row, &["--images", text(&path("nowhere"))]), &["nowhere", "no such folder"]);
    refused(&run(&row, &["--images", text(&images), "--sigma", "0"]), &["--sigma", "0.1 to"]);
    let person = || annotation(9, [3, 4, 2], [0; 3]);
    let short = "{\"image_id\": 9, \"keypoints\": [1, 2, 2]}";
    for (content, parts) in [
        ("", &["is empty", "person_keypoints_"][..]),
        ("name,x,y\na.jpg,1,2", &["begins with \"name,x,y\"", TITLE]),
        ("[{\"image_id\": 1}]", &["not COCO's keypoints", "line 1"]),
        (&coco(&[]), &["0 annotations and no keypoints"]),
        (&coco(&["{\"image_id\": 7, \"bbox\": []}".into()]), &["1 annotations and no keypoints"]),
        (&coco(&[annotation(9, [3, 4, 0], [0; 3])]), &["every visibility is 0"]),
        (&coco(&[person(), annotation(5, [1; 3], [0; 3])]), &["annotation 2", "image_id 5"]),
        (&coco(&[person(), short.into()]), &["annotation 2", "3 numbers", "(51 numbers)"]),
        (&coco(&[person()]).replace("b.jpg", "/b.jpg"), &["\"/b.jpg\"", "below a folder"]),
        (&coco(&[person()]).replace("16", "4000000000"), &["b.jpg", "make them smaller"]),
    ] {
        refused(&run(content, &[]), parts);
    }
    assert!(!path("out").exists() || names(&path("out")).is_empty(), "nothing half-written");
}

#[test]
fn words_are_planes_that_train_and_their_list_serves_the_next_captions() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    save(&path("captions/trainB/a.png"), &picture(36, 36, 1));
    save(&path("captions/trainB/b.png"), &picture(36, 36, 2));
    // As a spreadsheet writes it.
    let rows = "File\tCaption\r\na.png\t\"Two storeys, red  roof\"\r\n\r\nb.png\tshop,Red roof\r\n";
    write(&path("captions.tsv"), rows);
    let to = path("captions/trainA");
    let said = ok(prepare("words", &path("captions.tsv"), &to, &["--size", "36"]));
    assert!(said.contains("5 planes in each") && said.contains("trainA.words.txt"), "{said}");
    assert_eq!(names(&to), ["a.npy", "b.npy"]);
    let list = path("captions/trainA.words.txt");
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "red roof\nshop\ntwo storeys\n");
    let wanted = |size: [u32; 2], words: &[u8]| {
        let [w, h] = size;
        let pixel = |at: u32| {
            let (x, y) = (at % w, at / w);
            let share = |v: u32, side: u32| (v * 255 / (side - 1)) as u8;
            // Three words take two rows of two squares.
            let square = (2 * x / w + 2 * (2 * y / h)) as usize;
            let mut pixel = vec![share(x, w), share(y, h), 0, 0, 0];
            if square < 3 {
                pixel[2 + square] = words[square];
            }
            pixel
        };
        Picture::new(w, h, 2 + words.len() as u32, (0..w * h).flat_map(pixel).collect()).unwrap()
    };
    assert_eq!(planes(&to.join("a.npy")), wanted([36, 36], &[255, 0, 255]));
    assert_eq!(planes(&to.join("b.npy")), wanted([36, 36], &[255, 255, 0]));
    trains(&path("captions"), 5, &[]);
    refused(
        &prepare("words", &path("captions.tsv"), &path("small"), &["--size", "9x1"]),
        &["--size 9x1", "3 words", "2 pixels"],
    );
    // Others later: the same planes, although one word alone has no comma.
    write(&path("new.tsv"), "# to draw\nx/one\tShop\n");
    let more = ["--size", "40x20", "--vocabulary", text(&list)];
    ok(prepare("words", &path("new.tsv"), &path("new"), &more));
    assert_eq!(planes(&path("new/x/one.npy")), wanted([40, 20], &[0, 255, 0]));
    assert!(!path("new.words.txt").exists());
    // Other words under an old list would mean something else.
    std::fs::remove_dir_all(&to).unwrap();
    write(&path("captions.tsv"), "a.png\ta house\n");
    let run = |more: &[&str]| {
        prepare("words", &path("captions.tsv"), &to, &[&["--size", "36"], more].concat())
    };
    refused(&run(&[]), &["trainA.words.txt", "has other words", "--vocabulary", "--overwrite"]);
    ok(run(&["--overwrite"]));
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "a\nhouse\n");
}

#[test]
fn captions_that_do_not_fit_are_refused_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let run = |content: &str, more: &[&str]| {
        write(&path("c.tsv"), content);
        prepare("words", &path("c.tsv"), &path("out"), &[&["--size", "16"], more].concat())
    };
    let many: String = (0..63).map(|word| format!("w{word} ")).collect();
    for (content, parts) in [
        ("", &["has no captions", "a tab"][..]),
        ("name\tcaption\n", &["has no captions"]),
        ("a.png a house", &["line 1", "no tab"]),
        ("a.png\thouse\n\na.png\thouse", &["line 3", "in line 1 too"]),
        ("a.png\thouse\nb.png\t \n", &["line 2", "b.png has an empty caption"]),
        ("a.png\thouse,\nb.png\t,,", &["line 2", "empty caption"]),
        ("../a.png\thouse", &["line 1", "below a folder"]),
        (&format!("a.png\t{many}"), &["63 different words: w0", "at most 62", "commas"]),
        ("a.png\thouse\na.jpg\thouse", &["a.png and a.jpg would both be written"]),
    ] {
        refused(&run(content, &[]), parts);
    }
    write(&path("words.txt"), "Roof\ndormer\n\ntwo dormers\n");
    let list = path("words.txt");
    let with_list = ["--vocabulary", text(&list)];
    refused(
        &run("a.png\troof\nb.png\troof, dorner", &with_list),
        &["c.tsv", "line 2", "\"dorner\" is not in", "words.txt", "near are dormer"],
    );
    refused(&run("a.png\tzzz", &with_list), &["\"zzz\"", "the words are roof, dormer"]);
    for (words, parts) in [
        ("roof\nRoof\n", &["words.txt", "line 2", "there before"][..]),
        ("roof, shop\n", &["words.txt", "line 1", "has a comma"]),
        ("\n", &["has 0 words"]),
        (&many.replace(' ', "\n"), &["has 63 words"]),
    ] {
        write(&path("words.txt"), words);
        refused(&run("a.png\troof", &with_list), parts);
    }
    let low = |size: &str, caption: &str| {
        write(&path("c.tsv"), caption);
        prepare("words", &path("c.tsv"), &path("out"), &["--size", size])
    };
    refused(&low("0", "a.png\thouse"), &["--size", "65535"]);
    refused(&low("65535", "a.png\thouse"), &["--size 65535x65535", "MiB"]);
    refused(&low("32x8", &format!("a.png\t{}", &many[..60])), &["--size 32x8", "9 rows"]);
    assert!(!path("out").exists() && !path("out.words.txt").exists(), "nothing half-written");
}
