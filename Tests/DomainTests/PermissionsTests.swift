import Domain
import DomainTesting
import Identity
import Testing
import Wire

private let everyone = RoleID(rawValue: 1)
private let first = RoleID(rawValue: 2)
private let second = RoleID(rawValue: 3)
private let user = UserID(rawValue: 9)

private func role(_ id: RoleID, allow: Permissions = [], deny: Permissions = []) -> Overwrite {
    Overwrite(id: id.snowflake, isMember: false, allow: allow.rawValue, deny: deny.rawValue)
}

private func member(_ id: UserID, allow: Permissions = [], deny: Permissions = []) -> Overwrite {
    Overwrite(id: id.snowflake, isMember: true, allow: allow.rawValue, deny: deny.rawValue)
}

private let ordinary: Permissions = [.viewChannel, .sendMessages, .readMessageHistory]

@Suite("Permissions, by Discord's algorithm")
struct PermissionsTests {
    @Test("Discord's own numbers: 2048 is SEND_MESSAGES, bits 47 and 53 on mean nothing")
    func bits() {
        #expect(Permissions.sendMessages.rawValue == 0x800)
        #expect(Permissions.moderateMembers.rawValue == 1_099_511_627_776)
        #expect(Permissions.bypassSlowmode.rawValue == 1 << 52)
        #expect(Permissions.all.rawValue & (1 << 47) == 0)
        #expect(Permissions.all.rawValue >> 53 == 0)
        #expect(Permissions.all.rawValue.nonzeroBitCount == 52)
    }

    @Test("The base is the union of @everyone and the roles")
    func base() {
        let base = Permissions.base(
            isOwner: false, everyone: .viewChannel, roles: [.sendMessages, .kickMembers])
        #expect(base == [.viewChannel, .sendMessages, .kickMembers])
    }

    @Test("The owner and administrators have everything, whatever a channel denies")
    func administrators() {
        let owner = Permissions.base(isOwner: true, everyone: [], roles: [])
        let administrator = Permissions.base(isOwner: false, everyone: [], roles: [.administrator])
        for permissions in [owner, administrator] {
            #expect(permissions == .all)
            let inChannel = permissions.applying(
                [role(everyone, deny: .all), member(user, deny: .all)], everyone: everyone, roles: [], user: user)
            #expect(inChannel == .all)
        }
    }

    @Test("An administrator right that only an overwrite gives does not count as one")
    func administratorByOverwrite() {
        let permissions = ordinary.applying(
            [role(everyone, allow: .administrator, deny: .sendMessages)], everyone: everyone, roles: [], user: user)
        #expect(!permissions.contains(.sendMessages))
        #expect(!permissions.contains(.manageGuild))
    }

    @Test("A role's allow overrules @everyone's deny")
    func roleOverEveryone() {
        let overwrites = [role(everyone, deny: .viewChannel), role(first, allow: .viewChannel)]
        #expect(ordinary.applying(overwrites, everyone: everyone, roles: [first], user: user) == ordinary)
        #expect(ordinary.applying(overwrites, everyone: everyone, roles: [second], user: user) == [])
    }

    @Test("Among roles, one allow overrules every deny, in any order")
    func allowAmongRoles() {
        let overwrites = [role(first, deny: .sendMessages), role(second, allow: .sendMessages)]
        for order in [overwrites, overwrites.reversed()] {
            let permissions = ordinary.applying(order, everyone: everyone, roles: [first, second], user: user)
            #expect(permissions.contains(.sendMessages))
        }
    }

    @Test("The member's own overwrite has the last word")
    func memberLast() {
        let overwrites = [
            role(everyone, allow: .addReactions), role(first, allow: .addReactions),
            member(user, allow: .attachFiles, deny: .addReactions),
        ]
        let permissions = ordinary.applying(overwrites, everyone: everyone, roles: [first], user: user)
        #expect(!permissions.contains(.addReactions))
        #expect(permissions.contains(.attachFiles))
    }

    @Test("A member's overwrite is not a role's with the same id, nor another member's")
    func kindsOfOverwrite() {
        let overwrites = [
            role(RoleID(user.snowflake), deny: .sendMessages),
            member(UserID(first.snowflake), deny: .sendMessages), member(UserID(rawValue: 10), deny: .sendMessages),
        ]
        #expect(ordinary.applying(overwrites, everyone: everyone, roles: [first], user: user) == ordinary)
    }

    @Test("Without VIEW_CHANNEL there is nothing")
    func noView() {
        let permissions = Permissions.all.subtracting(.administrator)
            .applying([role(everyone, deny: .viewChannel)], everyone: everyone, roles: [], user: user)
        #expect(permissions == [])
    }

    @Test("Without SEND_MESSAGES nobody mentions everyone, speaks aloud, attaches or embeds")
    func noSend() {
        let permissions = Permissions.all.subtracting(.administrator)
            .applying([role(everyone, deny: .sendMessages)], everyone: everyone, roles: [], user: user)
        let gone: Permissions = [.sendMessages, .mentionEveryone, .sendTTSMessages, .attachFiles, .embedLinks]
        #expect(permissions == Permissions.all.subtracting(.administrator).subtracting(gone))
    }

    @Test("A timed-out member keeps VIEW_CHANNEL and READ_MESSAGE_HISTORY; an administrator everything")
    func timeout() {
        #expect(Permissions.defaultEveryone.inTimeout == [.viewChannel, .readMessageHistory])
        #expect(Permissions([.sendMessages]).inTimeout == [])
        #expect(Permissions.all.inTimeout == .all)
    }

    @Test("For random overwrites: the answer does not depend on their order, and obeys the last word that applies")
    func randomOverwrites() {
        var generator = SeededGenerator(state: 42)
        let ordinaryBits = Permissions.all.subtracting(.administrator).rawValue
        for _ in 0..<500 {
            let roles = [first, second].filter { _ in Bool.random(using: &generator) }
            var overwrites: [Overwrite] = [everyone, first, second].map { id in
                role(
                    id, allow: Permissions(rawValue: generator.next() & ordinaryBits),
                    deny: Permissions(rawValue: generator.next() & ordinaryBits))
            }
            overwrites.append(
                member(
                    user, allow: Permissions(rawValue: generator.next() & ordinaryBits),
                    deny: Permissions(rawValue: generator.next() & ordinaryBits)))
            let base = Permissions(rawValue: generator.next() & ordinaryBits)
            let answer = base.applying(overwrites, everyone: everyone, roles: roles, user: user)
            overwrites.shuffle(using: &generator)
            #expect(base.applying(overwrites, everyone: everyone, roles: roles, user: user) == answer)
            let bit = UInt64(1) << (generator.next() % 47)
            guard bit & ordinaryBits != 0 else { continue }
            let expected = bitByBit(bit, base, overwrites, roles)
            let seesAndSends: Permissions = [.viewChannel, .sendMessages]
            if answer.isSuperset(of: seesAndSends) {
                #expect((answer.rawValue & bit != 0) == expected)
            } else if !answer.contains(.viewChannel) {
                #expect(answer == [])
            }
        }
    }

    /// The rule told for one bit: from the strongest overwrite down, the first that names the bit decides.
    private func bitByBit(_ bit: UInt64, _ base: Permissions, _ overwrites: [Overwrite], _ roles: [RoleID]) -> Bool {
        let own = overwrites.filter { $0.isMember && $0.id == user.snowflake }
        let ofRoles = overwrites.filter { overwrite in
            !overwrite.isMember && roles.contains { $0.snowflake == overwrite.id }
        }
        let ofEveryone = overwrites.filter { !$0.isMember && $0.id == everyone.snowflake }
        for level in [own, ofRoles, ofEveryone] {
            if level.contains(where: { $0.allow & bit != 0 }) { return true }
            if level.contains(where: { $0.deny & bit != 0 }) { return false }
        }
        return base.rawValue & bit != 0
    }
}
