// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRecords} from "./interfaces/IRecords.sol";

/// @title Records
/// @notice See {IRecords}
contract Records is IRecords {
    /// @inheritdoc IRecords
    function record(bytes32 root, uint32 count) external {
        emit Recorded(msg.sender, root, count);
    }
}
