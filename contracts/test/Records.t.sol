// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Records} from "../src/Records.sol";
import {IRecords} from "../src/interfaces/IRecords.sol";
import {MiniTest} from "./MiniTest.sol";

contract RecordsTest is MiniTest {
    Records private records = new Records();

    function testFuzz_saysWhoRecordedWhat(address by, bytes32 root, uint32 count) public {
        vm.expectEmit(address(records));
        emit IRecords.Recorded(by, root, count);
        vm.prank(by);
        records.record(root, count);
    }

    function test_takesTheSameAgain() public {
        for (uint256 i; i < 2; ++i) {
            vm.expectEmit(address(records));
            emit IRecords.Recorded(address(this), keccak256("root"), 1000);
            records.record(keccak256("root"), 1000);
        }
    }
}
