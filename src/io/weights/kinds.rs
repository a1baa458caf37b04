//! Files of weights in formats that are not read, by name: the file is sound, and the message says
//! what to do with it.

/// What a file is, and what to do, if it is of a known kind that is not read.
pub(super) fn unread(bytes: &[u8]) -> Option<&'static str> {
    let at = |from: usize, magic: &[u8]| bytes.get(from..).is_some_and(|b| b.starts_with(magic));
    if at(257, b"ustar") || at(0, b"sys_info\0") || at(0, b"storages\0") {
        return Some(
            "a tar archive; if torch.save wrote it, before PyTorch 0.2: load it with an old PyTorch \
             (1.x reads it) and save net.state_dict() again",
        );
    }
    if at(0, b"\x89HDF\r\n\x1a\n") {
        return Some(
            "an HDF5 file (Keras, .h5), which is not read; write the weights as safetensors, with \
             PyTorch's names",
        );
    }
    if at(0, b"\x93NUMPY") {
        return Some("a NumPy array, which is an image here and no network's weights");
    }
    if at(0, b"GGUF") || at(0, b"ggml") {
        return Some("a GGUF file of a language model, which has no network of ours");
    }
    if at(0, &[0x1f, 0x8b]) || at(0, &[0x28, 0xb5, 0x2f, 0xfd]) || at(0, b"BZh") || at(0, b"7z\xbc")
    {
        return Some("a compressed file; unpack it (gunzip, zstd -d, …) and give what was in it");
    }
    if at(0, b"\x08") && bytes.len() > 2 && at(2, b"\x12") {
        return Some(
            "an ONNX model by its first bytes, which is written here and not read; give the \
             weights that it was made from",
        );
    }
    if at(0, b"version https://git-lfs") {
        return Some("a pointer of Git LFS, not the file itself; run `git lfs pull`");
    }
    if at(0, b"<!DOCTYPE") || at(0, b"<!doctype") || at(0, b"<html") {
        return Some("an HTML page, such as a download that needs a login; download it again");
    }
    if at(0, &[0x80]) && bytes.get(1).is_some_and(|p| (2..=5).contains(p)) && bytes.ends_with(b".")
    {
        return Some(
            "a pickle that torch.save did not write, which is not read; in Python load it and \
             torch.save the state_dict() of the network",
        );
    }
    None
}
