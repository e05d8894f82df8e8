@echo off
rem A menu for the tracker and its watchdog; its text, in English and Arabic, is in quick_start.txt.
setlocal
chcp 65001 >nul
cd /d "%~dp0.."
set "python=python"
if exist ".venv\Scripts\python.exe" set "python=.venv\Scripts\python.exe"
:menu
type scripts\quick_start.txt
set "answer="
set /p "answer=> "
if not defined answer goto :eof
set "answer=%answer:"=%"
if "%answer%"=="0" goto :eof
if "%answer%"=="1" "%python%" -m tracker
if "%answer%"=="2" "%python%" scripts\start_with_monitor.py --ensure
if "%answer%"=="3" "%python%" -m watchdog_cli status
if "%answer%"=="4" "%python%" -m watchdog_cli tail-log -n 40
if "%answer%"=="5" "%python%" -m watchdog_cli stop
goto menu
