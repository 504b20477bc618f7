/// What the names of channels say (§2.8).
///
/// ```
/// pchannel         <cluster>-rootcoord-dml_<n>
/// vchannel         <pchannel>_<collection id>v<shard>
/// control channel  <pchannel>_vcchan
/// ```
package enum ChannelName {
  private static let controlSuffix = "vcchan"
  private static let pchannelInfix = "-rootcoord-dml_"

  /// The pchannel of a vchannel or control channel: cut at the last `_` if what follows has a `v`. A pchannel is its
  /// own, unless its last part has a `v`: the names do not tell `prod_v2` from a vchannel of `prod`.
  package static func pchannel(of channel: String) -> String {
    let text = channel.utf8
    guard let cut = text.lastIndex(of: UInt8(ascii: "_")), text[cut...].contains(UInt8(ascii: "v")) else {
      return channel
    }
    return String(channel[..<cut])
  }

  package static func isControl(_ channel: String) -> Bool { channel.hasSuffix(controlSuffix) }

  package static func isPchannel(_ channel: String) -> Bool {
    channel.utf8.elementsEqual(pchannel(of: channel).utf8)
  }

  package static func control(ofPchannel pchannel: String) -> String { "\(pchannel)_\(controlSuffix)" }

  package static func vchannel(ofPchannel pchannel: String, collectionID: Int64, shard: Int) -> String {
    "\(pchannel)_\(collectionID)v\(shard)"
  }

  /// The cluster id that replication uses: what stands before `-rootcoord-dml_`. nil for a name of another pattern.
  /// FlushAll's `cluster_id` is something else (§7.1).
  package static func replicationID(ofPchannel pchannel: String) -> String? {
    guard let infix = pchannel.firstRange(of: pchannelInfix), infix.lowerBound > pchannel.startIndex else {
      return nil
    }
    return String(pchannel[..<infix.lowerBound])
  }
}
