/// Requests that a server takes and dies of, again at every start (`wal-protocol.md` §0 no. 7, §6.4, §7.7): whoever writes them by hand is told first.
///
/// | Method | What kills |
/// |--------|------------|
/// | CreateReplicateStream | a message that `LogAdmission` holds back |
/// | UpdateReplicateConfiguration | a promotion by force without a configuration |
package enum HarmfulRequest {
  /// Why the request must not be sent; nil: it may. `bytes`: the encoded request.
  package static func reason(_ method: Method, _ bytes: [UInt8]) -> String? {
    switch method.name {
    case "CreateReplicateStream": message(in: bytes).flatMap(reason(ofMessage:))
    case "UpdateReplicateConfiguration": configuration(bytes)
    default: nil
    }
  }

  /// `ReplicateRequest {replicate_message 1 {source_cluster_id 1, message 2}}`; nil: there is none, or it cannot be read, which servers refuse.
  private static func message(in bytes: [UInt8]) -> [UInt8]? {
    guard let envelope = field(1, in: bytes, 0..<bytes.count), let message = field(2, in: bytes, envelope) else { return nil }
    return Array(bytes[message])
  }

  private static func field(_ number: UInt32, in bytes: [UInt8], _ range: Range<Int>) -> Range<Int>? {
    var reader = WireReader(bytes, in: range)
    var found: Range<Int>?
    while let field = try? reader.next() { if field.number == number { found = field.range } }
    return found
  }

  /// Judged for the older line: what is new in 3.x kills 2.6, and nobody has asked which the target is.
  private static func reason(ofMessage bytes: [UInt8]) -> String? {
    // Which channels the source has is not known here; its own and those it names are taken for granted.
    var channels: Set<String> = []
    if let message = try? LogMessage(immutableMessage: bytes) {
      channels = Set((message.broadcast?.vchannels ?? []).map { ChannelName.pchannel(of: $0) }).union([message.pchannel])
    }
    do throws(LogAdmission.Held) {
      _ = try LogAdmission(sourcePchannels: channels, typeMax: 38, targetKind: .woodPecker).judge(immutableMessage: bytes)
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// `UpdateReplicateConfigurationRequest {replicate_configuration 1 {clusters 1}, force_promote 2}`.
  private static func configuration(_ bytes: [UInt8]) -> String? {
    var reader = WireReader(bytes)
    var isForced = false
    var clusters = 0
    while let next = try? reader.next() {
      if next.number == 2, let value = next.varint { isForced = value != 0 }
      if next.number == 1, let range = next.range {
        var inner = WireReader(bytes, in: range)
        while let part = try? inner.next() { if part.number == 1 { clusters += 1 } }
      }
    }
    return isForced && clusters == 0 ? "a promotion by force without the configuration of the cluster" : nil
  }
}
