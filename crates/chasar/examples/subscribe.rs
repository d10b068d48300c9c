//! Prints the reports of a fleet: `cargo run --example subscribe [address]`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

fn main() -> Result<(), chasar::Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6666".to_owned());
    for message in chasar::Subscriber::connect(&address)? {
        if let chasar::Message::Report(report) = message? {
            // What a computer calls itself may hold anything, so it is printed escaped.
            let (cpu, memory) = (&report.cpu.percent_used, report.memory.percent_used);
            println!("{:?} cpu {cpu:?} memory {memory:?}", report.hostname);
        }
    }
    Ok(())
}
