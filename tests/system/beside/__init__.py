# SPDX-License-Identifier: ISC
"""Postfix and Sluice side by side: the same settings, tables, names and peers, each in a network of its own."""
