// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Digests that somebody wants to be able to date
/// @notice Nothing is kept but the event: who showed which digest, in the block that has the time. There is no owner, no fee
/// and no upgrade.
interface IRecords {
    /// @notice Somebody recorded one digest or, of several, the root of their tree
    /// @param by The account that recorded it
    /// @param root The digest itself when `count` is 1, else the root of an RFC 6962 tree (sha2-256) over that many
    /// @param count How many digests it stands for
    event Recorded(address indexed by, bytes32 indexed root, uint32 count);

    /// @notice Records a digest or a root. Anybody may record anything, and again: readers know what they look for
    /// @param root The digest, or the root over `count` digests
    /// @param count How many digests it stands for; readers take no event with 0 for anything
    function record(bytes32 root, uint32 count) external;
}
