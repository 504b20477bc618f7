package import MilvusWire

/// A gRPC proxy that any client can go through: every method, known or not, of all four kinds, with metadata, deadlines, trailers and status.
///
/// Each message is passed on before the next one is taken, so a slow side holds the other back as it would without the proxy. A client that
/// goes away cancels its call upstream. Compressed messages go through as they are, with the header fields that belong to them, and are unpacked for
/// the observer alone. Not passed on: gRPC's other header fields, which each side makes for itself. A call without a deadline gets one of a week.
package final class TapProxy: Sendable {
  private static let longestCall = Duration.seconds(7 * 24 * 3600)

  private let upstream: RPCChannel
  private let faults: TapFaults
  private let observer: any TapObserver
  private let counter = Locked(0)
  private let clock = ContinuousClock()

  package init(upstream: RPCChannel, faults: TapFaults = TapFaults(), observer: any TapObserver) {
    self.upstream = upstream
    self.faults = faults
    self.observer = observer
  }

  /// What a tap's server and channel allow: as much as the largest Milvus on either side.
  package static var serverOptions: RPCServerOptions {
    var options = RPCServerOptions()
    options.receiveMessageBytesMax = 512 << 20
    options.keepsMessagePrefix = true
    options.metadataBytesMax = 64 << 10
    return options
  }
  package static var channelOptions: ChannelOptions {
    var options = ChannelOptions()
    options.metadataBytesMax = 64 << 10
    options.connectionCount = 2
    options.keepsMessagePrefix = true
    return options
  }

  package var routes: RPCRoutes {
    var routes = RPCRoutes()
    routes.otherwise { [self] call in try await serve(call) }
    return routes
  }

  private func serve(_ call: ServerCall) async throws {
    let number = counter.withLock { count -> Int in
      count += 1
      return count
    }
    let began = clock.now
    var meter = TapMeter()
    observer.record(.began(number, TapCall(call)))
    var status: RPCStatus
    do throws(RPCError) {
      status = try await relay(call, number, &meter)
    } catch {
      status = RPCStatus(error.code, error.message)
      meter.isLocal = error.initiator != .remote
    }
    observer.record(.ended(number, status, clock.now - began, meter))
    await call.setTrailers(status.trailers)
    guard status.code == .ok else { throw RPCError(status.code, status.message, initiator: .remote) }
  }

  // MARK: One call

  private func relay(_ call: ServerCall, _ number: Int, _ meter: inout TapMeter) async throws(RPCError) -> RPCStatus {
    let fault = faults.next(for: call.path)
    if let fault { observer.record(.fault(number, fault)) }
    try await apply(fault, call)
    var metadata = Metadata()
    for entry in call.metadata.entries where entry.name != "user-agent" {
      switch entry.value {
      case .text(let text): metadata.append(entry.name, text)
      case .binary(let bytes): metadata.append(entry.name, bytes: bytes)
      }
    }
    let timeout = call.deadline.map { $0 - clock.now } ?? Self.longestCall
    let onward = try await upstream.open(
      path: call.path, metadata: metadata, timeout: max(.zero, timeout), userAgent: call.metadata["user-agent"],
      encodings: call.head.encodings)
    let requests = Locked((count: 0, bytes: 0))
    let result = await withTaskGroup(of: RPCError?.self) { group -> Result<RPCStatus, RPCError> in
      group.addTask { await self.passRequests(call, onward, number, requests) }
      let result: Result<RPCStatus, RPCError>
      do throws(RPCError) {
        result = .success(try await passResponses(onward, call, number, cutAfter: fault?.cutAfter, &meter))
      } catch {
        result = .failure(error)
      }
      await onward.cancel()
      group.cancelAll()
      return result
    }
    (meter.requests, meter.requestBytes) = requests.withLock { $0 }
    return try result.get()
  }

  private func apply(_ fault: TapFault?, _ call: ServerCall) async throws(RPCError) {
    switch fault?.kind {
    case .delay(let duration)?:
      do { try await Task.sleep(for: duration) } catch {
        throw RPCError(.cancelled, "the client cancelled the call", initiator: .remote)
      }
    case .status(let code, let message)?: throw RPCError(code, message, initiator: .local)
    case .cut(after: 0)?:
      await call.cutConnection()
      throw RPCError(.unavailable, "the connection was cut", initiator: .local)
    case .cut?, nil: break
    }
  }

  /// The error that ended it, if one did; the response side then ends by itself.
  private func passRequests(_ call: ServerCall, _ onward: RPCCall, _ number: Int, _ count: Locked<(count: Int, bytes: Int)>) async
    -> RPCError?
  {
    do throws(RPCError) {
      while let framed = try await call.receive() {
        count.withLock { ($0.count, $0.bytes) = ($0.count + 1, $0.bytes &+ framed.count &- MessageFramer.prefixBytes) }
        let message = TapMessage(framed, encoding: call.head.encodings.used)
        observer.record(.request(number, message))
        try await onward.sendFramed(framed)
      }
      try await onward.closeSend()
      return nil
    } catch {
      return error
    }
  }

  private func passResponses(_ onward: RPCCall, _ call: ServerCall, _ number: Int, cutAfter: Int?, _ meter: inout TapMeter)
    async throws(RPCError) -> RPCStatus
  {
    if let headers = try await onward.responseHeaders() {
      observer.record(.headers(number, headers))
      let encodings = await onward.responseEncodings()
      try await call.sendInitialMetadata(headers, encodings: encodings)
      do throws(RPCError) {
        while let framed = try await onward.receive() {
          meter.responses += 1
          meter.responseBytes = meter.responseBytes &+ framed.count &- MessageFramer.prefixBytes
          observer.record(.response(number, TapMessage(framed, encoding: encodings.used)))
          try await call.sendFramed(framed)
          if let cutAfter, meter.responses >= cutAfter {
            await call.cutConnection()
            throw RPCError(.unavailable, "the connection was cut", initiator: .local)
          }
        }
      } catch {
        // A status of the server is taken below with its trailers.
        guard error.initiator == .remote else { throw error }
      }
    }
    return try await onward.status()
  }
}

/// One call as it reached the proxy.
package struct TapCall: Sendable, Equatable {
  package var path: String
  package var client: String
  package var metadata: Metadata
  /// nil: none.
  package var timeout: Duration?

  init(_ call: ServerCall) {
    (path, client, metadata, timeout) = (call.path, call.peer, call.metadata, call.head.timeout)
  }

  /// `Search` for a method of Milvus's own service, the path for every other.
  package var name: String { Self.name(path) }
  package static func name(_ path: String) -> String {
    let service = "/milvus.proto.milvus.MilvusService/"
    return path.hasPrefix(service) ? String(path.dropFirst(service.count)) : path
  }
}

/// What went through one call.
package struct TapMeter: Sendable, Equatable {
  package var requests = 0
  package var requestBytes = 0
  package var responses = 0
  package var responseBytes = 0
  /// The status is not the server's: a fault, a lost connection, a client that went away.
  package var isLocal = false
  package init() {}
}

/// One message as it went through.
package struct TapMessage: Sendable, Equatable {
  /// Without compression; as it went through where that cannot be undone.
  package var bytes: [UInt8]
  /// How it was compressed, and its bytes on the wire; nil: not at all.
  package var compression: Compression?

  package struct Compression: Sendable, Equatable {
    package var encoding: String
    package var wireBytes: Int
    package var isUnpacked: Bool

    /// For a person.
    package var text: String {
      isUnpacked ? "compressed with \(encoding) to \(wireBytes) bytes" : "compressed with \(encoding), which cannot be unpacked here"
    }
  }

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// `framed` has gRPC's prefix.
  init(_ framed: [UInt8], encoding: String?) {
    bytes = Array(framed.dropFirst(MessageFramer.prefixBytes))
    guard framed.first == 1 else { return }
    let name = encoding ?? "an encoding that it does not name"
    let plain = (try? Inflate.decompress(bytes, encoding: name, bytesMax: Inflate.shownBytesMax)) ?? nil
    compression = Compression(encoding: name, wireBytes: bytes.count, isUnpacked: plain != nil)
    if let plain { bytes = plain }
  }
}

package enum TapEvent: Sendable {
  case began(Int, TapCall)
  case fault(Int, TapFault)
  case request(Int, TapMessage)
  case headers(Int, Metadata)
  case response(Int, TapMessage)
  case ended(Int, RPCStatus, Duration, TapMeter)
}

/// Called on connection loops and in between, in the order of each call: it must not block.
package protocol TapObserver: Sendable {
  func record(_ event: TapEvent)
}
