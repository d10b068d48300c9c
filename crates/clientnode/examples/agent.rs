//! temp
use chasar_clientnode::{Config, Stop, keep_memory_small, run};
fn main() {
    keep_memory_small();
    let mut a = std::env::args().skip(1);
    let port = a.next().unwrap().parse().unwrap();
    let state = a.next().unwrap();
    let mut c = Config::new("127.0.0.1", port, state);
    if let Some(ms) = a.next() {
        c.interval = std::time::Duration::from_millis(ms.parse().unwrap());
    }
    if a.next().is_some() {
        c.compress = true;
    }
    let stop = Stop::new().unwrap();
    run(&c, &stop).unwrap();
}
