import Foundation
import Storage
import Synchronization
import Testing

@Suite struct DiskPressureTests {
    private static func limits(ballast: Int = 0) -> DiskPressure.Limits {
        var limits = DiskPressure.Limits()
        limits.ballast = ballast
        return limits
    }

    private static func usage(_ used: Int, ballast: Int = 0) -> DiskPressure.Usage {
        .init(used: used, available: 1000 - used, ballast: ballast)
    }

    @Test func risesAtItsThresholdsAndFallsSomewhatBelowThem() {
        var pressure = DiskPressure(limits: Self.limits())
        let course: [(used: Int, actions: [DiskPressure.Action])] = [
            (849, []), (850, [.report(.warning)]), (840, []), (831, []), (829, [.report(.normal)]),
            (949, [.report(.warning)]), (950, [.report(.full)]), (935, []), (931, []), (929, [.report(.warning)]),
            (960, [.report(.full)]), (100, [.report(.normal)]),
        ]
        for (used, actions) in course { #expect(pressure.measured(Self.usage(used)) == actions, "at \(used)") }
    }

    @Test func theBallastIsMadeWhenThereIsRoomAndGivenUpWhenTheDiskIsFull() {
        var pressure = DiskPressure(limits: Self.limits(ballast: 50))
        #expect(pressure.measured(Self.usage(500)) == [.makeBallast(bytes: 50)])
        #expect(pressure.measured(Self.usage(550, ballast: 50)) == [])
        #expect(pressure.measured(Self.usage(950, ballast: 50)) == [.releaseBallast, .report(.full)])
        // Giving it up does not end the pressure by itself.
        #expect(pressure.measured(Self.usage(900)) == [])
        #expect(pressure.measured(Self.usage(885)) == [])
        #expect(pressure.measured(Self.usage(875)) == [.makeBallast(bytes: 50), .report(.warning)])
    }

    @Test func aDiskThatIsFullAtFirstGetsNoBallast() {
        var pressure = DiskPressure(limits: Self.limits(ballast: 50))
        #expect(pressure.measured(Self.usage(920)) == [.report(.full)])
    }

    @Test func aBallastTakesNoMoreThanATenthOfTheDisk() {
        var pressure = DiskPressure(limits: Self.limits(ballast: 1 << 40))
        #expect(pressure.measured(Self.usage(100)) == [.makeBallast(bytes: 100)])
    }

    @Test func aFileSystemWithoutASizeSaysNothing() {
        var pressure = DiskPressure(limits: Self.limits())
        #expect(pressure.measured(.init(used: 0, available: 0, ballast: 0)) == [])
    }
}

@Suite struct DiskGuardTests {
    @Test func keepsABallastInRealBlocksAndGivesItUp() throws {
        let folder = try TemporaryFolder()
        let used = Mutex(500 << 20)
        let levels = Mutex<[DiskPressure.Level]>([])
        var limits = DiskPressure.Limits()
        limits.ballast = 4 << 20
        let disk = DiskGuard(
            folder: folder.path, limits: limits,
            measure: { _ in used.withLock { (used: $0, available: (1000 << 20) - $0) } },
            report: { level, _ in levels.withLock { $0.append(level) } })
        try disk.check()
        var status = stat()
        #expect(stat(folder.path + "/BALLAST", &status) == 0)
        #expect(Int(status.st_size) == 4 << 20)
        #expect(Int(status.st_blocks) * 512 >= 4 << 20)
        #expect(try disk.check().ballast == 4 << 20)
        used.withLock { $0 = 990 << 20 }
        try disk.check()
        #expect(disk.level == .full)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/BALLAST"))
        used.withLock { $0 = 600 << 20 }
        try disk.check()
        #expect(disk.level == .normal)
        #expect(FileManager.default.fileExists(atPath: folder.path + "/BALLAST"))
        #expect(levels.withLock { $0 } == [.full, .normal])
    }

    @Test func asksTheFileSystem() throws {
        let folder = try TemporaryFolder()
        let (used, available) = try DiskGuard.space(of: folder.path)
        #expect(used > 0 && available > 0)
        #expect(throws: StorageFailure.self) { try DiskGuard.space(of: folder.path + "/nowhere") }
    }
}
