// Linux error numbers (x86-64), as programs see them. Facts of the Linux ABI.
#pragma once

#include <cstdint>

namespace k42::personality {

enum Errno : std::int64_t {
  kEPERM = 1,
  kENOENT = 2,
  kESRCH = 3,
  kEINTR = 4,
  kEIO = 5,
  kENXIO = 6,
  kE2BIG = 7,
  kENOEXEC = 8,
  kEBADF = 9,
  kECHILD = 10,
  kEAGAIN = 11,
  kENOMEM = 12,
  kEACCES = 13,
  kEFAULT = 14,
  kEBUSY = 16,
  kEEXIST = 17,
  kEXDEV = 18,
  kENODEV = 19,
  kENOTDIR = 20,
  kEISDIR = 21,
  kEINVAL = 22,
  kENFILE = 23,
  kEMFILE = 24,
  kENOTTY = 25,
  kETXTBSY = 26,
  kEFBIG = 27,
  kENOSPC = 28,
  kESPIPE = 29,
  kEROFS = 30,
  kEMLINK = 31,
  kEPIPE = 32,
  kEDOM = 33,
  kERANGE = 34,
  kEDEADLK = 35,
  kENAMETOOLONG = 36,
  kENOSYS = 38,
  kENOTEMPTY = 39,
  kELOOP = 40,
  kENOMSG = 42,
  kEIDRM = 43,
  kENODATA = 61,
  kETIME = 62,
  kEPROTO = 71,
  kEBADMSG = 74,
  kEOVERFLOW = 75,
  kENOTSOCK = 88,
  kEDESTADDRREQ = 89,
  kEMSGSIZE = 90,
  kEPROTOTYPE = 91,
  kENOPROTOOPT = 92,
  kEPROTONOSUPPORT = 93,
  kESOCKTNOSUPPORT = 94,
  kEOPNOTSUPP = 95,
  kEAFNOSUPPORT = 97,
  kEADDRINUSE = 98,
  kEADDRNOTAVAIL = 99,
  kENETDOWN = 100,
  kENETUNREACH = 101,
  kECONNABORTED = 103,
  kECONNRESET = 104,
  kENOBUFS = 105,
  kEISCONN = 106,
  kENOTCONN = 107,
  kETIMEDOUT = 110,
  kECONNREFUSED = 111,
  kEHOSTDOWN = 112,
  kEHOSTUNREACH = 113,
  kEALREADY = 114,
  kEINPROGRESS = 115,
  kESTALE = 116,

  // Never seen by a program: how a call asks to be run again after a signal. ReturnToProgram turns
  // them into a restart or EINTR by the handler's SA_RESTART (signals.cc).
  kERESTARTSYS = 512,     // restart if the handler has SA_RESTART
  kERESTARTNOINTR = 513,  // restart, whatever the handler says
  kERESTARTNOHAND = 514,  // restart only if no handler ran
};

// Whether an answer is one of those.
constexpr bool WantsRestart(std::int64_t answer) {
  return answer >= -kERESTARTNOHAND && answer <= -kERESTARTSYS;
}

}  // namespace k42::personality
