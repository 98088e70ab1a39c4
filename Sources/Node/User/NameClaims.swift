import Domain
import Identity

/// The user's side of unique names: asks the directory, and acts on its answers (DESIGN §3).
///
/// A pending account becomes active when the last of its names is granted, and denied when one is refused; what it had
/// been granted by then, or is granted later, is released. An active account that claims a name or two, one request at a
/// time, switches when all are granted, and only then releases the old ones; when one is refused it keeps what it has,
/// and what was granted is released. An answer that nobody awaits any more is released too, unless the
/// account holds the name. Each answer arrives once (outbox), and answers of one name in the order of the questions.
struct NameClaims {
    let rows: UserRows

    private var transaction: any SlotTransaction { rows.transaction }

    /// Notes the claims in `account`, which the caller then puts, and sends them.
    func ask(_ claims: [Account.Claim], for account: inout Account) {
        account.claims += claims
        account.grants = []
        account.refusals = []
        for claim in claims { transaction.send(.claimName(claim.name, owner: account.id), to: claim.name.slot) }
    }

    /// Acts on the directory's answer.
    func answered(_ name: DirectoryName, owner: UserID, isGranted: Bool) throws {
        guard var account = try rows.account(owner) else {
            if isGranted { release(name, from: owner) }
            return
        }
        guard let position = account.claims.firstIndex(where: { $0.name == name }) else {
            let isKept =
                account.state != .denied && (account.holds(name) || account.grants.contains { $0.name == name })
            if isGranted, !isKept { release(name, from: owner) }
            return
        }
        let claim = account.claims.remove(at: position)
        switch account.state {
        case .pending: answerRegistration(claim, isGranted: isGranted, in: &account)
        case .denied:
            if isGranted { release(name, from: owner) } else { account.refusals.append(claim) }
        case .active: answerRename(claim, isGranted: isGranted, in: &account)
        }
        rows.put(account)
    }

    private func answerRegistration(_ claim: Account.Claim, isGranted: Bool, in account: inout Account) {
        if isGranted {
            account.grants.append(claim)
            guard account.claims.isEmpty else { return }
            account.state = .active
            account.grants = []
        } else {
            account.state = .denied
            account.refusals.append(claim)
            for grant in account.grants { release(grant.name, from: account.id) }
            account.grants = []
            account.email = nil
            account.password = nil
        }
    }

    private func answerRename(_ claim: Account.Claim, isGranted: Bool, in account: inout Account) {
        if isGranted { account.grants.append(claim) } else { account.refusals.append(claim) }
        guard account.claims.isEmpty else { return }
        let granted = account.grants
        account.grants = []
        guard account.refusals.isEmpty else {
            // A new spelling of a name that the account holds is granted too.
            for grant in granted where !account.holds(grant.name) { release(grant.name, from: account.id) }
            return
        }
        for claim in granted { take(claim, in: &account) }
        ProfileChanges(rows: rows).announce(&account)
    }

    /// Switches to a name, and releases the one before.
    private func take(_ claim: Account.Claim, in account: inout Account) {
        let old: DirectoryName?
        switch claim.kind {
        case .username:
            old = .username(account.username)
            account.username = claim.text
        case .email:
            old = account.email.map { .email($0) }
            account.email = claim.text
        }
        if let old, old != claim.name { release(old, from: account.id) }
    }

    private func release(_ name: DirectoryName, from owner: UserID) {
        transaction.send(.releaseName(name, owner: owner), to: name.slot)
    }
}
