import ArgumentParser
import Glibc

/// Asks before what cannot be undone, unless `--yes` was given.
struct Confirmation: ParsableArguments {
    @Flag(name: .long, help: "Do it without asking.")
    var yes = false

    /// - Throws: ``ExitStatus/failed`` when the answer is not yes, or nobody is there to give one.
    func ask(_ question: String) throws {
        guard !yes else { return }
        guard isatty(STDIN_FILENO) == 1 else {
            Console.note("guildctl: \(question) Nobody is there to answer: say --yes to do it.")
            throw ExitStatus.failed
        }
        Console.note("\(question) [y/N]")
        let answer = readLine()?.lowercased()
        guard answer == "y" || answer == "yes" else {
            Console.note("not done")
            throw ExitStatus.failed
        }
    }
}
