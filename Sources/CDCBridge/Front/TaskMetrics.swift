internal import MilvusWire

/// The tasks as metrics: the original's names where they have a meaning here, and a lag that tells the truth.
///
/// Series of a deleted task are gone at the next scrape: everything is read from the tasks that exist.
struct TaskMetrics {
  let views: TaskViews

  func append(_ snapshots: [TaskManager.Snapshot], to text: inout MetricsText) {
    text.family("cdc_bridge_build_info", "gauge", "The running version.")
    text.sample("cdc_bridge_build_info", [("version", bridgeVersion)], 1)
    appendStates(snapshots, to: &text)
    appendLag(snapshots, to: &text)
    appendRows(snapshots, to: &text)
  }

  private func appendStates(_ snapshots: [TaskManager.Snapshot], to text: inout MetricsText) {
    text.family("milvus_cdc_task_num", "gauge", "Tasks by state.")
    for name in ["Initial", "Running", "Paused"] {
      let count = snapshots.count { $0.state.name == name }
      text.sample("milvus_cdc_task_num", [("task_state", name)], Double(count))
    }
    text.family("milvus_cdc_task_state", "gauge", "0 Initial, 1 Running, 2 Paused.")
    for snapshot in snapshots {
      text.sample(
        "milvus_cdc_task_state", [("task_id", snapshot.taskID)], Double(snapshot.state.metricValue))
    }
    text.family("cdc_bridge_task_retrying", "gauge", "1 while a Running task retries after an error.")
    for snapshot in snapshots where snapshot.state == .running {
      text.sample(
        "cdc_bridge_task_retrying", [("task_id", snapshot.taskID)],
        snapshot.progress.phase == .retrying ? 1 : 0)
    }
  }

  private func appendLag(_ snapshots: [TaskManager.Snapshot], to text: inout MetricsText) {
    text.family(
      "cdc_bridge_lag_seconds", "gauge",
      "Source time that has passed since everything before it was on the target; grows while nothing moves.")
    for snapshot in snapshots {
      // Before the first pass has ended nothing is known to be on the target since the runner began.
      let seconds =
        views.reading(snapshot).lagMs.map { Double($0) / 1000 }
        ?? snapshot.runningFor.map { $0 / .seconds(1) }
      guard let seconds else { continue }
      text.sample("cdc_bridge_lag_seconds", [("task_id", snapshot.taskID)], seconds)
    }
    text.family(
      "milvus_cdc_replicate_tt", "gauge", "Unix milliseconds up to which a collection is on the target.")
    for (snapshot, collection) in Self.collections(snapshots) {
      guard let watermark = collection.watermarkUnixMs else { continue }
      text.sample(
        "milvus_cdc_replicate_tt",
        [
          ("task_id", snapshot.taskID), ("vchannel_name", collection.source.description),
          ("op_type", "write"),
        ], Double(watermark))
    }
  }

  private func appendRows(_ snapshots: [TaskManager.Snapshot], to text: inout MetricsText) {
    text.family("milvus_cdc_replicate_data_cnt", "counter", "Rows written to the target.")
    for (snapshot, collection) in Self.collections(snapshots) {
      for (type, count) in [
        ("insert", collection.inserted &+ collection.updated), ("delete", collection.deleted),
      ] {
        text.sample(
          "milvus_cdc_replicate_data_cnt",
          [
            ("task_id", snapshot.taskID), ("collection_id", ""),
            ("collection_name", collection.source.description), ("op_type", "write"), ("api_type", type),
          ], Double(count))
      }
    }
    text.family("milvus_cdc_replicate_data_size", "counter", "Bytes written to the target.")
    for (snapshot, collection) in Self.collections(snapshots) {
      text.sample(
        "milvus_cdc_replicate_data_size",
        [
          ("task_id", snapshot.taskID), ("vchannel_name", collection.source.description),
          ("op_type", "write"), ("msg_type", "insert"),
        ], Double(collection.bytesWritten))
    }
  }

  private static func collections(
    _ snapshots: [TaskManager.Snapshot]
  ) -> [(TaskManager.Snapshot, TaskProgress.Collection)] {
    snapshots.flatMap { snapshot in snapshot.progress.collections.map { (snapshot, $0) } }
  }
}
