//! `near`: Locations within a distance.
//!
//! Source: FHIR R4 location.html#search (`latitude|longitude|distance|units`).

use fhir::json::Node;
use fhir_tables::ResourceType;

use crate::params;
use crate::value::{IndexValue, Indexed};

/// Mean radius of the Earth.
const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// Distance when the search gives none; R4 leaves it to the server.
pub const DISTANCE_DEFAULT_M: f64 = 50_000.0;
/// Half of the way around the Earth: every place is nearer.
pub const DISTANCE_MAX_M: f64 = 20_100_000.0;

/// Distance of two places (latitude, longitude in degrees) along the surface.
pub fn distance_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lon = ((b.1 - a.1).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * h.sqrt().clamp(0.0, 1.0).asin()
}

/// Latitudes and longitudes (two ranges across the 180th meridian) that hold every place within
/// the distance; a little more.
pub fn bounds(latitude: f64, longitude: f64, distance_m: f64) -> ((f64, f64), Vec<(f64, f64)>) {
    let slack = 1e-6;
    let reach = (distance_m / EARTH_RADIUS_M).to_degrees() + slack;
    let (south, north) = (latitude - reach, latitude + reach);
    let whole = vec![(-180.0, 180.0)];
    if south <= -90.0 || north >= 90.0 || reach >= 90.0 {
        return ((south.max(-90.0), north.min(90.0)), whole);
    }
    // The meridians that touch the circle.
    let ratio = reach.to_radians().sin() / latitude.to_radians().cos();
    if ratio >= 1.0 {
        return ((south, north), whole);
    }
    let width = ratio.asin().to_degrees() + slack;
    let (west, east) = (longitude - width, longitude + width);
    let ranges = if west < -180.0 {
        vec![(west + 360.0, 180.0), (-180.0, east)]
    } else if east > 180.0 {
        vec![(west, 180.0), (-180.0, east - 360.0)]
    } else {
        vec![(west, east)]
    };
    ((south, north), ranges)
}

/// Adds where a Location is.
pub(crate) fn index(rt: ResourceType, resource: Node<'_>, out: &mut Vec<Indexed>) {
    if rt != ResourceType::LOCATION {
        return;
    }
    let Some((param, _)) = params::find(rt, "near") else { return };
    let degrees = |name| {
        let position = resource.get("position")?;
        position.get(name)?.as_number()?.parse::<f64>().ok().filter(|x| x.is_finite())
    };
    let (Some(latitude), Some(longitude)) = (degrees("latitude"), degrees("longitude")) else {
        return;
    };
    // What is on no globe is nowhere near.
    if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 {
        out.push(Indexed { param, value: IndexValue::Position { latitude, longitude } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        for (a, b, want_km) in [
            ((42.256_500, -83.694_710), (42.256_500, -83.694_710), 0.0),
            ((0.0, 0.0), (0.0, 1.0), 111.195),
            ((0.0, 179.5), (0.0, -179.5), 111.195),
            ((90.0, 0.0), (-90.0, 77.0), 20_015.115),
            ((52.520_008, 13.404_954), (48.137_154, 11.576_124), 504.4),
        ] {
            let km = distance_m(a, b) / 1000.0;
            assert!((km - want_km).abs() < 0.5, "{a:?} {b:?}: {km}");
        }
        assert!(distance_m((90.0, 0.0), (-90.0, 0.0)) < DISTANCE_MAX_M);
    }

    #[test]
    fn bounds_hold_every_place_within_the_distance() {
        for center in [(0.0, 0.0), (42.0, -83.0), (-67.0, 179.9), (89.5, 10.0), (10.0, -180.0)] {
            for distance in [0.0, 10.0, 5_000.0, 300_000.0, 9_000_000.0, 20_000_000.0] {
                let ((south, north), ranges) = bounds(center.0, center.1, distance);
                for lat in -90..=90 {
                    for lon in (-180..=180).step_by(3) {
                        let place = (f64::from(lat), f64::from(lon));
                        let is_in = south <= place.0
                            && place.0 <= north
                            && ranges.iter().any(|(w, e)| *w <= place.1 && place.1 <= *e);
                        let near = distance_m(center, place) <= distance;
                        assert!(!near || is_in, "{center:?} {distance} {place:?}");
                    }
                }
            }
        }
    }
}
