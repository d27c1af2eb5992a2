// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {TestToken} from "../src/test-token/TestToken.sol";
import {MiniTest} from "./MiniTest.sol";

contract TestTokenTest is MiniTest {
    uint256 private constant KEY = 0xA11CE;
    uint256 private constant START = 1_800_000_000;
    bytes32 private constant NONCE = keccak256("nonce");
    address private owner = vm.addr(KEY);
    address private constant PAYEE = address(0xBEEF);
    TestToken private token;

    function setUp() public {
        vm.warp(START);
        token = new TestToken();
        token.mint(owner, 100);
    }

    function sign(bytes32 structHash) private view returns (uint8, bytes32, bytes32) {
        return vm.sign(KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }

    function signTransfer(
        bytes32 typeHash,
        uint256 validAfter,
        uint256 validBefore
    ) private view returns (uint8, bytes32, bytes32) {
        return sign(keccak256(abi.encode(typeHash, owner, PAYEE, 40, validAfter, validBefore, NONCE)));
    }

    function test_faucetGivesTheCallerItsDrip() public {
        vm.prank(PAYEE);
        token.faucet();
        assertEq(token.balanceOf(PAYEE), 1_000e6);
        assertEq(token.decimals(), 6);
    }

    function test_onlyOwnerMints() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, PAYEE));
        vm.prank(PAYEE);
        token.mint(PAYEE, 1);
    }

    function test_transfersWithSplitSignatureOnce() public {
        (uint8 v, bytes32 r, bytes32 s) =
            signTransfer(token.TRANSFER_WITH_AUTHORIZATION_TYPEHASH(), START - 1, START + 1);
        vm.expectEmit(address(token));
        emit TestToken.AuthorizationUsed(owner, NONCE);
        token.transferWithAuthorization(owner, PAYEE, 40, START - 1, START + 1, NONCE, v, r, s);
        assertEq(token.balanceOf(PAYEE), 40);
        vm.expectRevert(abi.encodeWithSelector(TestToken.AuthorizationUsedOrCanceled.selector, owner, NONCE));
        token.transferWithAuthorization(owner, PAYEE, 40, START - 1, START + 1, NONCE, abi.encodePacked(r, s, v));
    }

    function test_onlyPayeeReceives() public {
        (uint8 v, bytes32 r, bytes32 s) =
            signTransfer(token.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(), START - 1, START + 1);
        vm.expectRevert(abi.encodeWithSelector(TestToken.CallerNotPayee.selector, address(this), PAYEE));
        token.receiveWithAuthorization(owner, PAYEE, 40, START - 1, START + 1, NONCE, v, r, s);
        // The same signature is none for the other kind of transfer.
        vm.expectRevert(abi.encodeWithSelector(TestToken.InvalidAuthorizationSignature.selector, owner, NONCE));
        token.transferWithAuthorization(owner, PAYEE, 40, START - 1, START + 1, NONCE, v, r, s);
        vm.prank(PAYEE);
        token.receiveWithAuthorization(owner, PAYEE, 40, START - 1, START + 1, NONCE, v, r, s);
        assertEq(token.balanceOf(PAYEE), 40);
    }

    function test_authorizationHoldsBetweenItsTimes() public {
        (uint8 v, bytes32 r, bytes32 s) = signTransfer(token.TRANSFER_WITH_AUTHORIZATION_TYPEHASH(), START, START + 9);
        vm.expectRevert(abi.encodeWithSelector(TestToken.AuthorizationNotYetValid.selector, START, START));
        token.transferWithAuthorization(owner, PAYEE, 40, START, START + 9, NONCE, v, r, s);
        vm.warp(START + 9);
        vm.expectRevert(abi.encodeWithSelector(TestToken.AuthorizationExpired.selector, START + 9, START + 9));
        token.transferWithAuthorization(owner, PAYEE, 40, START, START + 9, NONCE, v, r, s);
        vm.warp(START + 8);
        token.transferWithAuthorization(owner, PAYEE, 40, START, START + 9, NONCE, v, r, s);
    }

    function test_cancelledAuthorizationIsSpent() public {
        bytes32 structHash = keccak256(abi.encode(token.CANCEL_AUTHORIZATION_TYPEHASH(), owner, NONCE));
        (uint8 v, bytes32 r, bytes32 s) = sign(structHash);
        token.cancelAuthorization(owner, NONCE, v, r, s);
        assertTrue(token.authorizationState(owner, NONCE));
    }
}
