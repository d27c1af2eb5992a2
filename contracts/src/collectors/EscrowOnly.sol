// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDepositCollector} from "../interfaces/IDepositCollector.sol";

/// @title A collector that serves one escrow
/// @notice The escrow derives the channel from the payer and token it passes on. If anybody else could call `collect`,
/// a signed deposit could be sent to the escrow without being credited to its channel.
abstract contract EscrowOnly is IDepositCollector {
    /// @notice The only caller of `collect`, and where the tokens go
    address public immutable escrow;

    /// @notice `collect` is not for this caller
    error NotEscrow(address caller, address escrow);
    /// @notice A collector without an escrow could never be called
    error ZeroEscrow();

    constructor(address escrow_) {
        if (escrow_ == address(0)) revert ZeroEscrow();
        escrow = escrow_;
    }

    modifier onlyEscrow() {
        if (msg.sender != escrow) revert NotEscrow(msg.sender, escrow);
        _;
    }
}
