import ArgumentParser
import Foundation

struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Manages accounts.", subcommands: [UserCreate.self])
}

struct UserCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Creates an account and prints a token of it.",
        discussion: "Without --password the password is read from standard input, one line, so that it stays out of "
            + "the shell's history and the list of processes.")

    @Argument(help: "The user's name, unique in the cluster.")
    var username: String

    @Argument(help: "The e-mail address, unique in the cluster.")
    var email: String

    @Option(help: "The password.")
    var password: String?

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        guard let password = password ?? readLine(strippingNewline: true), !password.isEmpty else {
            throw ValidationError("a password is needed: --password, or a line on standard input")
        }
        try await connection.run { client in
            let user = try await client.createUser(NewUser(username: username, email: email, password: password))
            if connection.json {
                try Console.json(user)
            } else {
                Console.result("id     \(user.id)\ntoken  \(user.token)")
            }
        }
    }
}
