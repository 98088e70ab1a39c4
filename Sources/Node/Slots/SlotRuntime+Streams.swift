import Domain
import Identity
import NIOCore
import Transport
import Wire

/// What gateways ask on their event streams (DESIGN §10).
extension SlotRuntime {
    /// Answers now, or once the slot serves.
    func streamRequest(_ request: EventStreamRequest, from stream: any TransportStream) {
        if isServing { return answer(request, to: stream) }
        guard !isRetired, streamRequests.count < environment.limits.waitingStreamRequests else {
            return executor.answerMoved(request, to: stream)
        }
        streamRequests.append { [weak self, executor] in
            guard let self, isServing else { return executor.answerMoved(request, to: stream) }
            answer(request, to: stream)
        }
    }

    private func answer(_ request: EventStreamRequest, to stream: any TransportStream) {
        do {
            switch request {
            case .subscribe(let root, let after, let intents, let tag):
                try subscribe(root, after: after, intents: intents, tag: tag, stream)
            case .unsubscribe(let root):
                executor.hub.remove(stream, from: root)
            case .snapshot(let root, let user, let tag):
                snapshot(root, for: user, tag: tag, stream)
            case .fetch(let root, let after, let through, let tag):
                try fetch(root, after: after, through: through, tag: tag, stream)
            }
        } catch {
            logger.error("a gateway's request failed", metadata: ["error": "\(error)"])
            stream.close("the slot cannot be read")
        }
    }

    private func subscribe(
        _ root: RootEntity, after: EventNumber?, intents: UInt64, tag: UInt64, _ stream: any TransportStream
    ) throws {
        let hub = executor.hub
        let last = try replica.lastEvent(root)
        guard let after else {
            let position = hub.interest(of: stream, in: root)?.lastSent ?? last
            hub.add(EventHub.Interest(stream: stream, intents: intents, lastSent: position), to: root)
            hub.send(.subscribed(root: root, position: position, tag: tag), to: stream)
            return
        }
        guard let missed = replica.ring.events(root, after: after, through: last, last: last) else {
            hub.send(.gap(root: root, tag: tag), to: stream)
            return
        }
        guard hub.send(.subscribed(root: root, position: after, tag: tag), to: stream) else { return }
        var lastSent = after
        for kept in missed where kept.meets(intents) {
            let item = EventStreamItem.encodedEvent(kept.event, number: kept.number, previous: lastSent)
            guard hub.send(item, to: stream) else { return }
            lastSent = kept.number
        }
        hub.add(EventHub.Interest(stream: stream, intents: intents, lastSent: lastSent), to: root)
    }

    /// The snapshot may show what is not committed yet, so it waits for its gate; there it stands after the events
    /// that it contains and before all others.
    private func snapshot(_ root: RootEntity, for user: UserID, tag: UInt64, _ stream: any TransportStream) {
        let body: ByteBuffer?
        do {
            body = try environment.services.snapshot(of: root, for: user, in: makeTransaction())
        } catch {
            logger.error("a snapshot failed", metadata: ["root": "\(root)", "error": "\(error)"])
            stream.close("a snapshot cannot be read")
            return
        }
        whenApplied(through: lastIndex) { [weak self, executor] failure in
            guard failure == nil, let self, let number = try? replica.lastEvent(root) else {
                executor.hub.send(.moved(root: root, epoch: .zero, tag: tag), to: stream)
                return
            }
            guard let body else {
                executor.hub.send(.unknown(root: root, tag: tag), to: stream)
                return
            }
            executor.hub.send(.snapshot(root: root, number: number, body: body, tag: tag), to: stream)
        }
    }

    private func fetch(
        _ root: RootEntity, after: EventNumber, through: EventNumber, tag: UInt64, _ stream: any TransportStream
    ) throws {
        let found = replica.ring.events(root, after: after, through: through, last: try replica.lastEvent(root))
        let interest = executor.hub.interest(of: stream, in: root)?.intents ?? .max
        let kept = found?.filter { $0.meets(interest) }
        guard let kept, kept.reduce(0, { $0 + $1.size }) <= environment.limits.fetchedBytes else {
            executor.hub.send(.gap(root: root, tag: tag), to: stream)
            return
        }
        let events = try kept.map { NumberedEvent(number: $0.number, event: try Event(decoding: $0.event)) }
        executor.hub.send(.fetched(root: root, events: events, tag: tag), to: stream)
    }
}
