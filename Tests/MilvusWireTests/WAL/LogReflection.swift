internal import Testing

@testable internal import MilvusWire

/// Compares a Swift value with the proto3 JSON of the same message by the names of their members, so that a field that
/// is read into the wrong member shows.
///
/// Names agree when they do without case and underscores, or by the list of renamed members. What the JSON leaves out
/// must be at its default. Recordings shorten long lists and texts (`_count`, `_chars`): then the beginning counts.
struct LogReflection {
  /// Members with another name than the field, by `Type.member`; "*" for any type.
  private static let renamed: [String: String] = [
    "*.base": "base", "BroadcastHeader.id": "broadcast_id", "TransactionContext.id": "txn_id",
    "ResourceKey.isShared": "shared", "ReplicateHeader.lastConfirmed": "last_confirmed_message_id",
    "CipherHeader.zoneID": "ez_id", "CipherHeader.payloadByteCount": "payload_bytes",
    "InsertPartition.segment": "segment_assignment", "MessageBase.messageType": "msg_type",
    "MessageBase.messageID": "msgID", "InsertRows.rowCount": "num_rows", "DeleteRows.rowCount": "num_rows",
    "DropRole.isForced": "force_drop", "CacheExpirations.list": "cache_expirations",
    "CacheExpiration.legacy": "legacy_proxy_collection_meta_cache",
    "LegacyCollectionCache.messageType": "msg_type",
    "ManualFlush.flushTick": "flush_ts",
    "AlterLoadConfig.isUserSpecifiedReplicaMode": "user_specified_replica_mode",
    "AlterLoadConfig.usesLocalReplicaConfig": "use_local_replica_config", "FieldIndex.info": "index_info",
    "FieldIndex.isDeleted": "deleted", "IndexInfo.failReason": "index_state_fail_reason",
    "RestoreRBAC.meta": "rbac_meta", "AlterUser.user": "user_entity",
    "AlterUser.credential": "credential_info",
    "AlterRole.role": "role_entity", "UserRole.binding": "role_binding", "RoleBinding.user": "user_entity",
    "RoleBinding.role": "role_entity", "Privilege.grant": "entity",
    "PrivilegeGroup.group": "privilege_group_info",
    "AlterResourceGroup.groups": "resource_group_configs", "NodeLimit.nodeNumber": "node_num",
    "DropResourceGroup.name": "resource_group_name", "ImportFile.allocatedKeys": "pre_allocated_auto_ids",
    "RestoreSnapshot.isExternal": "external", "RestoreSnapshot.snapshotLocation": "snapshot_s3_location",
    "ManifestItem.columnGroups": "v2_column_groups", "ManifestColumnGroups.groups": "column_groups",
    "Binlog.entriesNumber": "entries_num", "Binlog.nullCounts": "field_null_counts",
    "AlterWAL.target": "target_wal_name", "AlterReplicateConfig.configuration": "replicate_configuration",
    "AlterReplicateConfig.isForcePromote": "force_promote", "AlterReplicateConfig.isIgnored": "ignore",
    "ReplicateConfiguration.topology": "cross_cluster_topology", "ReplicateCluster.id": "cluster_id",
    "ReplicateCluster.connection": "connection_param", "CreateSegment.maxRows": "max_rows",
  ]
  /// Members that the JSON has elsewhere or not at all; the tests look at them by themselves.
  private static let apart: Set<String> = [
    "InsertRows.columns", "InsertRows.hasRowData", "InsertRows.version", "DeleteRows.keys", "DeleteRows.plan",
    "CreateCollection.legacySchema", "FieldSchema.defaultValue", "CreateCollection.headerPartitionIDs",
  ]
  /// Fields of the JSON that members set apart stand for.
  private static let apartFields: Set<String> = [
    "fields_data", "primary_keys", "int64_primary_keys", "serialized_expr_plan", "default_value", "version",
  ]

  /// Names of everything that differs.
  private(set) var differences: [String] = []

  /// `parts`: header and body, whose fields may overlap.
  static func differences(of value: Any, from parts: [(json: JSONObject, type: MessageDescriptor)])
    -> [String]
  {
    var reflection = LogReflection()
    reflection.compare(value, parts, "")
    return reflection.differences
  }

  private mutating func compare(
    _ value: Any, _ parts: [(json: JSONObject, type: MessageDescriptor)], _ path: String
  ) {
    let mirror = Mirror(reflecting: value)
    let type = "\(Swift.type(of: value))"
    var seen: Set<String> = []
    for child in mirror.children {
      guard let label = child.label, !Self.apart.contains("\(type).\(label)") else { continue }
      let name = Self.renamed["\(type).\(label)"] ?? label
      var isThere = false
      for part in parts {
        guard let field = part.type.fields.first(where: { Self.plain($0.name) == Self.plain(name) }) else {
          continue
        }
        seen.insert(field.name)
        guard let json = part.json[field.name] else { continue }
        isThere = true
        compare(child.value, json, field, "\(path).\(label)")
      }
      if !isThere, !Self.isDefault(child.value) { differences.append("\(path).\(label) is not in the JSON") }
    }
    for part in parts {
      for (key, _) in part.json.members where !seen.contains(key) && !Self.apartFields.contains(key) {
        differences.append("\(path): no member for \(key)")
      }
    }
  }

  private mutating func compare(_ value: Any, _ json: JSONValue, _ field: FieldDescriptor, _ path: String) {
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional {
      guard let inner = mirror.children.first?.value else { return differences.append("\(path) is nil") }
      return compare(inner, json, field, path)
    }
    if field.isMap { return compareMap(value, json, field, path) }
    if field.isRepeated {
      let items = Array(mirror.children)
      let list = json.arrayValue ?? json["_first"]?.arrayValue ?? []
      let count = json["_count"]?.integer ?? list.count
      guard items.count == count else { return differences.append("\(path) has \(items.count) of \(count)") }
      for (index, item) in list.enumerated() {
        compareOne(items[index].value, item, field, "\(path)[\(index)]")
      }
      return
    }
    compareOne(value, json, field, path)
  }

  private mutating func compareOne(_ value: Any, _ json: JSONValue, _ field: FieldDescriptor, _ path: String) {
    if let mask = value as? LogChange.FieldMask {
      let paths = mask.paths.map { MessageJSON.lowerCamel($0) }.joined(separator: ",")
      if json.stringValue != paths { differences.append("\(path) is \(mask.paths)") }
      return
    }
    if let id = value as? LogMessageID {
      let isEqual =
        (json["id"]?.stringValue ?? "") == id.text && json["WAL_name"]?.stringValue == id.kind.description
      if !isEqual { differences.append("\(path) is \(id)") }
      return
    }
    if let inner = field.message {
      guard let object = json.objectValue else {
        return differences.append("\(path) is no object in the JSON")
      }
      if let pair = value as? KeyValuePair {
        if (object["key"]?.stringValue ?? "") != pair.key
          || (object["value"]?.stringValue ?? "") != pair.value
        {
          differences.append("\(path) is \(pair)")
        }
        return
      }
      return compare(value, [(object, inner)], path)
    }
    if !Self.isEqual(value, json, field) { differences.append("\(path) is \(value), not \(json)") }
  }

  /// Pairs or records with key and value against a JSON object.
  private mutating func compareMap(_ value: Any, _ json: JSONValue, _ field: FieldDescriptor, _ path: String) {
    let items = Array(Mirror(reflecting: value).children)
    guard let object = json.objectValue, object.count == items.count else {
      return differences.append("\(path) has \(items.count) entries")
    }
    for item in items {
      let parts = Array(Mirror(reflecting: item.value).children)
      guard parts.count == 2, let json = object["\(parts[0].value)"] else {
        differences.append("\(path) has no such entry")
        continue
      }
      if let content = field.message?.field(named: "value") {
        compareOne(parts[1].value, json, content, "\(path).\(parts[0].value)")
      }
    }
  }

  private static func isEqual(_ value: Any, _ json: JSONValue, _ field: FieldDescriptor) -> Bool {
    switch value {
    case let value as String: return isEqual(value, json)
    case let value as Secret: return isEqual(value.revealed, json)
    case let value as Bool: return json.boolValue == value
    case let value as TimeTick: return json.stringValue == value.description
    case let value as LogKind: return json.stringValue == value.description
    case let value as DataType: return json.stringValue == field.enumeration?.name(of: value.rawValue)
    case let value as [UInt8]: return json.stringValue == Base64.encode(value)
    case let value as any FixedWidthInteger:
      if let names = field.enumeration, let name = json.stringValue {
        return names.number(of: name).map { "\($0)" } == "\(value)"
      }
      return json.integer.map { "\($0)" } == "\(value)" || json.stringValue == "\(value)"
    default: return false
    }
  }

  private static func isEqual(_ text: String, _ json: JSONValue) -> Bool {
    if let whole = json.stringValue { return whole.utf8.elementsEqual(text.utf8) }
    guard let first = json["_first"]?.stringValue else { return false }
    return json["_chars"]?.integer == text.unicodeScalars.count && text.hasPrefix(first)
  }

  private static func isDefault(_ value: Any) -> Bool {
    switch value {
    case let value as String: return value.isEmpty
    case let value as Secret: return value.isEmpty
    case let value as Bool: return !value
    case let value as TimeTick: return value.rawValue == 0
    case let value as LogKind: return value.rawValue == 0
    case let value as DataType: return value.rawValue == 0
    case let value as any FixedWidthInteger: return "\(value)" == "0"
    default:
      let mirror = Mirror(reflecting: value)
      return (mirror.displayStyle == .optional || mirror.displayStyle == .collection)
        && mirror.children.isEmpty
    }
  }

  private static func plain(_ name: String) -> String { name.filter { $0 != "_" }.lowercased() }
}
