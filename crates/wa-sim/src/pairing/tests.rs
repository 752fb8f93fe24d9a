use super::*;

#[test]
fn a_qr_code_is_read_with_and_without_its_link() {
    let key = BASE64_STANDARD.encode([7; 32]);
    for prefix in ["", "https://wa.me/settings/linked_devices#"] {
        let text = format!("{prefix}2@abc,{key},{key},{key},1\n");
        let qr = Qr::parse(&text).unwrap();
        assert_eq!((qr.reference, qr.identity, qr.adv_secret), ("2@abc", [7; 32], [7; 32]));
    }
    for bad in ["", "2@abc", "2@abc,x,y,z", &format!("2@abc,{key},{key}")] {
        assert!(Qr::parse(bad).is_err(), "{bad}");
    }
}
