import CRocksDB

/// An SST file that is being written, row by row in key order. Used by one thread.
final class SSTFile {
    private let writer: OpaquePointer?
    private let environment: OpaquePointer?

    /// - Parameter options: of the family that the file is for; filter and compression follow from them.
    init(path: String, options: RocksDBOptions) throws(StorageFailure) {
        environment = rocksdb_envoptions_create()
        writer = rocksdb_sstfilewriter_create(environment, options.handle)
        try RocksDB.checked { rocksdb_sstfilewriter_open(writer, path, $0) }
    }

    deinit {
        rocksdb_sstfilewriter_destroy(writer)
        rocksdb_envoptions_destroy(environment)
    }

    /// Bytes written so far; the block that is being filled does not count.
    var size: Int {
        var size: UInt64 = 0
        rocksdb_sstfilewriter_file_size(writer, &size)
        return Int(size)
    }

    func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(StorageFailure) {
        try RocksDB.checked {
            rocksdb_sstfilewriter_put(
                writer, key.bindMemory(to: CChar.self).baseAddress, key.count,
                value.bindMemory(to: CChar.self).baseAddress, value.count, $0)
        }
    }

    /// Ends the file and syncs it.
    func finish() throws(StorageFailure) { try RocksDB.checked { rocksdb_sstfilewriter_finish(writer, $0) } }
}
