//! QR codes as pictures.

use std::io::Cursor;

use fast_qr::{QRBuilder, QRCode, convert::Builder, convert::svg::SvgBuilder};
use image::{GrayImage, ImageFormat, Luma};

use crate::error::ApiError;

/// Pixels a module: a phone reads it from a screen at arm's length.
const SCALE: u32 = 6;

/// Modules of white around the code; readers want four (ISO/IEC 18004).
const QUIET: u32 = 4;

/// The code as PNG.
pub fn png(text: &str) -> Result<Vec<u8>, ApiError> {
    let code = encode(text)?;
    let modules = u32::try_from(code.size).expect("a QR code has at most 177 modules a side");
    let side = (modules + 2 * QUIET) * SCALE;
    let dark = |pixel: u32| (pixel / SCALE).checked_sub(QUIET).filter(|module| *module < modules).map(|m| m as usize);
    let picture = GrayImage::from_fn(side, side, |x, y| {
        let is_dark = dark(x).zip(dark(y)).is_some_and(|(x, y)| code[y][x].value());
        Luma([if is_dark { 0 } else { 255 }])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| ApiError::Internal(format!("a QR code was not drawn: {error}")))?;
    Ok(bytes.into_inner())
}

/// The code as SVG.
pub fn svg(text: &str) -> Result<Vec<u8>, ApiError> {
    Ok(SvgBuilder::default().margin(QUIET as usize).to_str(&encode(text)?).into_bytes())
}

fn encode(text: &str) -> Result<QRCode, ApiError> {
    QRBuilder::new(text).build().map_err(|error| ApiError::Internal(format!("a QR code was not drawn: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as WhatsApp's are: a reference and three keys in base64.
    const TEXT: &str = "2@AbCdEfGhIjKlMnOpQrStUvWxYz0123456789,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,\
                        BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=,CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC=,1";

    #[test]
    fn the_picture_has_the_modules_of_the_code_and_white_around_it() {
        let code = encode(TEXT).unwrap();
        let picture = image::load_from_memory(&png(TEXT).unwrap()).unwrap().into_luma8();
        let modules = u32::try_from(code.size).unwrap();
        assert_eq!(picture.width(), (modules + 8) * SCALE);
        for y in 0..modules {
            for x in 0..modules {
                let pixel = picture.get_pixel((x + QUIET) * SCALE + 3, (y + QUIET) * SCALE + 3);
                assert_eq!(pixel.0[0] == 0, code[y as usize][x as usize].value(), "{x} {y}");
            }
        }
        assert!(
            picture.enumerate_pixels().filter(|(x, y, _)| x.min(y) < &(QUIET * SCALE)).all(|(_, _, p)| p.0[0] == 255)
        );
    }

    #[test]
    fn the_drawing_is_svg() {
        let drawing = String::from_utf8(svg(TEXT).unwrap()).unwrap();
        assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>"), "{drawing}");
    }
}
