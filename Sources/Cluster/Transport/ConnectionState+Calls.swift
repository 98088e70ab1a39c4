import NIOCore
import Wire

/// Calls: those that we make, and those that we serve.
extension ConnectionState {
    /// Sends a request.
    ///
    /// - Returns: the call's id; ``Action/completed(_:_:)`` ends it.
    mutating func call(
        _ method: CallMethod, body: ByteBuffer, deadline: NIODeadline, trace: [String: String], now: NIODeadline
    ) throws(CallFailure) -> UInt64 {
        let lane = try readyLane(for: method)
        guard deadline > now else { throw .deadlineExceeded }
        guard body.readableBytes <= lane.maximumBodyLength else {
            throw .refused("a body of \(body.readableBytes) bytes exceeds the lane's \(lane.maximumBodyLength)")
        }
        guard outgoing.count < limits.callsInFlight else { throw .overloaded }
        let deadline = min(deadline, now + TransportLimits.longestDeadline)
        lastOpenedID += 1
        let id = lastOpenedID
        outgoing[id] = OutgoingCall(deadline: deadline)
        nextDeadline = min(nextDeadline, deadline)
        // Rounded up: a call of less than a millisecond is still a call.
        let remaining = UInt64(((deadline - now).nanoseconds + 999_999) / 1_000_000)
        let head = RequestHead(method: method.rawValue, remainingMilliseconds: remaining, trace: trace)
        output.append(.request, streamID: id, body: body) { head.encode(into: &$0) }
        return id
    }

    /// The lane, when new calls and streams of `method` may be opened.
    func readyLane(for method: CallMethod) throws(CallFailure) -> Lane {
        guard let peer else { throw .unreachable("the connection is not open") }
        guard peer.version >= method.lowestVersion else { throw .unknownMethod }
        guard !peerIsDraining else { throw .unreachable("the peer drains") }
        return peer.lane
    }

    /// The caller waits no longer.
    mutating func cancel(_ id: UInt64) {
        guard outgoing.removeValue(forKey: id) != nil else { return }
        output.append(.cancel, streamID: id)
        act(.completed(id, .failure(.cancelled)))
        closeIfPeerDrained()
    }

    /// Answers a call of the peer; without effect once nobody waits for it.
    mutating func reply(_ id: UInt64, _ result: Result<ByteBuffer, CallFailure>) {
        guard incoming.removeValue(forKey: id) != nil, let peer else { return }
        switch result {
        case .success(let body) where body.readableBytes <= peer.lane.maximumBodyLength:
            output.append(.reply, streamID: id, body: body)
        case .success(let body):
            sendFailure(id, .refused("a reply of \(body.readableBytes) bytes exceeds the lane's maximum"))
        case .failure(let failure):
            sendFailure(id, failure)
        }
        closeIfDrained()
    }

    mutating func sendFailure(_ id: UInt64, _ failure: CallFailure) {
        let encoded = Failure(of: failure)
        output.append(.failure, streamID: id) { encoded.encode(into: &$0) }
    }

    mutating func receiveRequest(_ frame: Frame, now: NIODeadline) throws {
        let head = try RequestHead(decoding: frame.fields)
        try acceptID(frame.streamID)
        if isDraining { return sendFailure(frame.streamID, .unreachable("draining")) }
        guard incoming.count < limits.callsInFlight else { return sendFailure(frame.streamID, .overloaded) }
        guard isSpoken(head) else { return sendFailure(frame.streamID, .unknownMethod) }
        let longest = UInt64(TransportLimits.longestDeadline.nanoseconds / 1_000_000)
        let deadline = now + .milliseconds(Int64(min(head.remainingMilliseconds, longest)))
        incoming[frame.streamID] = IncomingCall(deadline: deadline)
        nextDeadline = min(nextDeadline, deadline)
        act(.request(frame.streamID, head, frame.body, deadline: deadline))
    }

    /// Whether the version agreed on has the method that the peer asks for.
    func isSpoken(_ head: RequestHead) -> Bool {
        guard let peer else { return false }
        return peer.version >= CallMethod(rawValue: head.method).lowestVersion
    }

    /// Ids rise: one that does not is a broken or hostile peer.
    mutating func acceptID(_ id: UInt64) throws {
        guard case .accepting = handshake.role else {
            throw ProtocolViolation(reason: "the accepting side opened a call")
        }
        guard id > lastAcceptedID else { throw ProtocolViolation(reason: "stream id \(id) does not rise") }
        if !isDraining { lastAcceptedID = id }
    }

    mutating func receiveCancel(_ id: UInt64) {
        guard incoming.removeValue(forKey: id) != nil else { return }
        act(.abandoned(id))
        closeIfDrained()
    }

    mutating func complete(_ id: UInt64, _ result: Result<ByteBuffer, CallFailure>) {
        guard outgoing.removeValue(forKey: id) != nil else { return }
        act(.completed(id, result))
        closeIfPeerDrained()
    }

    /// Fails what is over its deadline, and finds the next.
    mutating func expireCalls(now: NIODeadline) {
        nextDeadline = .distantFuture
        var late: [UInt64] = []
        for (id, call) in outgoing {
            if call.deadline <= now { late.append(id) } else { nextDeadline = min(nextDeadline, call.deadline) }
        }
        for id in late {
            outgoing[id] = nil
            output.append(.cancel, streamID: id)
            act(.completed(id, .failure(.deadlineExceeded)))
        }
        late.removeAll()
        for (id, call) in incoming {
            if call.deadline <= now { late.append(id) } else { nextDeadline = min(nextDeadline, call.deadline) }
        }
        for id in late {
            incoming[id] = nil
            sendFailure(id, .deadlineExceeded)
            act(.abandoned(id))
        }
        closeIfDrained()
        closeIfPeerDrained()
    }

    /// The peer begins nothing new: what it had not begun has certainly not run.
    mutating func receiveGoAway(_ frame: Frame) throws {
        let farewell = try Farewell(decoding: frame.fields)
        guard !peerIsDraining else { return }
        peerIsDraining = true
        act(.peerDrains)
        for id in outgoing.keys where id > farewell.lastStreamID {
            outgoing[id] = nil
            act(.completed(id, .failure(.unreachable(farewell.reason))))
        }
        for (id, stream) in streams where id > farewell.lastStreamID && !stream.isAccepted {
            streams[id] = nil
            act(.streamRejected(id, .unreachable(farewell.reason)))
        }
        closeIfPeerDrained()
    }

    mutating func closeIfPeerDrained() {
        if peerIsDraining, isIdle { fail("the peer drains") }
    }
}

extension Failure {
    init(of failure: CallFailure) {
        switch failure {
        case .unknownMethod: self.init(.unknownMethod)
        case .refused(let reason): self.init(.refused, reason)
        case .overloaded: self.init(.overloaded)
        case .deadlineExceeded: self.init(.deadlineExceeded)
        case .cancelled: self.init(.cancelled)
        case .unreachable(let reason): self.init(.unreachable, reason)
        // A handler's own call broke: the caller can know no more than that the request was not fulfilled.
        case .connectionLost: self.init(.refused, "a connection behind the callee was lost")
        }
    }

    var callFailure: CallFailure {
        switch code {
        case .unknownMethod: .unknownMethod
        case .refused: .refused(reason)
        case .overloaded: .overloaded
        case .deadlineExceeded: .deadlineExceeded
        case .cancelled: .cancelled
        case .unreachable: .unreachable(reason)
        }
    }
}
