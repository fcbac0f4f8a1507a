// What nearly every test includes, compiled once.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
