use super::*;

/// A loop that loads, waits, stores, and multiplies; then one that has its load under way.
const AMD: &str = "BB0:
	s_load_b128 s[8:11], s[4:5], null                           ; f4080202 f8000000
BB1:
	buffer_load_b128 v[80:83], v80, s[24:27], 0 offen           ; e05c0000 80465050
	s_waitcnt vmcnt(0)                                          ; bf8903f7
	ds_store_b128 v1, v[80:83]                                  ; 00000000
	s_waitcnt lgkmcnt(0)                                        ; bf89fc07
	s_barrier                                                   ; bfbd0000
	ds_load_b128 v[0:3], v9                                     ; 00000000
	ds_load_2addr_b64 v[4:7], v9 offset1:1                      ; 00000000
	v_fmac_f32_e32 v10, v0, v4                                  ; 00000000
	v_dual_fmac_f32 v11, v0, v4 :: v_dual_fmac_f32 v12, v1, v5  ; 00000000
	s_cbranch_scc0 BB1                                          ; bfa10000
BB2:
	s_endpgm                                                    ; bfb00000
";

#[test]
fn a_load_that_is_waited_for_at_once_is_a_trip() {
    let found = hot_loop(&Code::read(Syntax::Amd, AMD)).unwrap();
    let expected = (10, 2, 3, 32, 1, 0, 1);
    let Loop { instructions, arithmetic, multiply_adds, workgroup_bytes, .. } = found;
    let seen = (instructions, arithmetic, multiply_adds, workgroup_bytes);
    assert_eq!(
        (seen.0, seen.1, seen.2, seen.3, found.trips, found.hidden, found.barriers),
        expected
    );
    assert_eq!((found.lines, found.waits.iter().copied().collect::<Vec<_>>()), ((3, 12), vec![4]));
    assert_eq!((found.share(), found.per_read()), (20.0, Some(1.5)));
}

#[test]
fn a_load_that_is_waited_for_behind_the_arithmetic_is_none() {
    // The wait of the load before the arithmetic is moved behind it, where the next round needs it.
    let wait = "\ts_waitcnt vmcnt(0)                                          ; bf8903f7\n";
    let ahead = AMD.replace(wait, "").replace("\ts_cbranch", &format!("{wait}\ts_cbranch"));
    let found = hot_loop(&Code::read(Syntax::Amd, &ahead)).unwrap();
    assert_eq!((found.trips, found.hidden, found.global_reads), (0, 3, 1));
    // A wait that lets the last one be is not a wait for it.
    let kept = AMD.replace("vmcnt(0)", "vmcnt(1)");
    assert_eq!(hot_loop(&Code::read(Syntax::Amd, &kept)).unwrap().trips, 0);
    // RDNA4 writes it otherwise; here both counters are in one number.
    let newer = AMD.replace("s_waitcnt vmcnt(0)", "s_wait_loadcnt_dscnt 0x3f");
    assert_eq!(hot_loop(&Code::read(Syntax::Amd, &newer)).unwrap().trips, 1);
}

#[test]
fn reads_in_flight_together_are_one_trip() {
    let load = AMD.lines().find(|l| l.contains("buffer_load")).unwrap();
    let wait = "\ts_waitcnt vmcnt(0)                                          ; bf8903f7";
    let both = format!("{load}\n\ts_waitcnt vmcnt(1) ; 0\n{wait}");
    let together = AMD.replace(wait, &both);
    let found = hot_loop(&Code::read(Syntax::Amd, &together)).unwrap();
    assert_eq!((found.global_reads, found.trips, found.waits.len()), (2, 1, 2));
    let serial = AMD.replace(wait, &format!("{wait}\n{load}\n{wait}"));
    let found = hot_loop(&Code::read(Syntax::Amd, &serial)).unwrap();
    assert_eq!((found.global_reads, found.trips, found.waits.len()), (2, 2, 2));
}

const NAK: &str = "block 0 L3 [] -> {
      r1        = s2r sr[0x25]                                  // delay=1 wr:0
} -> [1]
block 1 L5 [0, 1] -> {
      r76       = ld.global.a64.constant.b32 [r76..78+rZ], p1   // delay=2 wr:2
      r80..84   = ld.shared.strong.cta.b128 [r76+rZ], pT        // delay=1 wt=000001 wr:0
@p1   r70       = ffma.ftz r70 r80 r84                          // delay=1 wt=000100
                  bar.sync                                      // delay=6 yld
      r71       = ffma.ftz r71 r80 r84                          // delay=1
@!p1              bra pT L5                                     // delay=1
} -> [1, 2]
block 2 L6 [1] -> {
                  exit                                          // delay=1
} -> []
";

#[test]
fn scoreboards_are_followed() {
    let found = hot_loop(&Code::read(Syntax::Nvidia, NAK)).unwrap();
    assert_eq!((found.instructions, found.multiply_adds, found.workgroup_bytes), (6, 2, 16));
    assert_eq!((found.trips, found.hidden, found.barriers, found.global_reads), (1, 0, 1, 1));
    let later = NAK.replace("wt=000100", "");
    let found = hot_loop(&Code::read(Syntax::Nvidia, &later)).unwrap();
    assert_eq!((found.trips, found.hidden), (0, 2));
}

#[test]
fn what_is_behind_a_loop_is_not_in_it_wherever_it_is_printed() {
    // The way out of block 1 is printed before the rest of the loop.
    let exit = "block 2 L6 [1] -> {\n  r9 = ld.global.b32 [r9], pT // delay=1 wr:3\n  \
                st.global.b32 [r9] // wt=001000\n} -> []\n";
    let head = "block 1 L5 [0, 3] -> {\n  bra !up0 L7 // delay=1\n} -> [2, 3]\n";
    let inner = &NAK[NAK.find("block 1").unwrap()..NAK.find("block 2").unwrap()];
    let inner = inner.replace("block 1 L5 [0, 1]", "block 3 L7 [1]").replace("-> [1, 2]", "-> [1]");
    let text = format!("{}{head}{exit}{inner}", &NAK[..NAK.find("block 1").unwrap()]);
    let found = hot_loop(&Code::read(Syntax::Nvidia, &text)).unwrap();
    assert_eq!((found.instructions, found.multiply_adds, found.global_reads), (7, 2, 1));
}

#[test]
fn without_multiply_adds_there_is_no_hot_loop() {
    assert!(hot_loop(&Code::read(Syntax::Amd, "BB0:\n\ts_branch BB0 ; 0\n")).is_none());
    assert!(hot_loop(&Code::read(Syntax::Amd, "")).is_none());
}

#[test]
fn a_longer_loop_of_few_multiply_adds_is_not_the_hot_one() {
    let other = "\tv_mov_b32 v1, v2 ; 0\n".repeat(40) + &"\tv_fma_f32 v1, v2 ; 0\n".repeat(4);
    let longer = format!("{AMD}BB3:\n{other}\ts_branch BB3 ; 0\n");
    let found = hot_loop(&Code::read(Syntax::Amd, &longer)).unwrap();
    assert_eq!((found.multiply_adds, found.instructions), (3, 10));
}
