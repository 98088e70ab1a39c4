import ArgumentParser

struct ClusterClock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clock", abstract: "Moves the clock of every process of a cluster that was created for tests.",
        discussion: "The offset counts from the machine's own clock, so 0 returns to it.")

    @Option(help: "Days, hours, minutes and seconds, as in 90d, -12h, 30m, -5s or 0.")
    var offset: ClockShift

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let clock = try await client.setClock(offsetMilliseconds: offset.milliseconds)
            if connection.json { try Console.json(clock) } else { Console.result("now \(clock.now)") }
        }
    }
}

/// A signed length of time with one unit, as a person writes it.
struct ClockShift: ExpressibleByArgument, Equatable {
    var milliseconds: Int64

    init(milliseconds: Int64) { self.milliseconds = milliseconds }

    init?(argument: String) {
        let units: [Character: Int64] = ["d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000]
        if argument == "0" {
            milliseconds = 0
            return
        }
        guard let last = argument.last, let unit = units[last], let count = Int64(argument.dropLast()) else {
            return nil
        }
        let (product, isTooLarge) = count.multipliedReportingOverflow(by: unit)
        guard !isTooLarge else { return nil }
        milliseconds = product
    }
}
